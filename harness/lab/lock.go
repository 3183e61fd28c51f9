package lab

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// User is a test that has a lab to itself.
type User struct {
	Host    string    `json:"host"` // where the harness runs
	Process int       `json:"process"`
	Run     string    `json:"run"`
	Since   time.Time `json:"since"`
}

func (u User) String() string {
	if u.Process == 0 {
		return "somebody"
	}
	return fmt.Sprintf("run %s, process %d on %s, since %s", u.Run, u.Process, u.Host, u.Since.Format(time.DateTime))
}

// InUseError says that somebody else is testing on the lab.
type InUseError struct {
	Lab    string
	Holder User
	Detail string // what else there is to know, and to do
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("lab %s is in use by %s%s", e.Lab, e.Holder, e.Detail)
}

// Me describes the calling process as the user of a lab.
func Me(run string) User {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	u := User{Host: host, Process: os.Getpid(), Run: run, Since: time.Now().Truncate(time.Second)}
	// Inside a local lab's enclosure the process id means nothing outside: the caller's does.
	if caller, err := strconv.Atoi(os.Getenv("ELENCHUS_LAB_CALLER")); err == nil {
		u.Process = caller
	}
	return u
}
