package sim

// campaignGC is the percentage by which the heap grows between collections while a campaign goes on: its live memory is
// a few megabytes, so that collecting half as often costs nothing.
const campaignGC = 800
