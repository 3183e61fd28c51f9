package verdict

import "testing"

func TestCount(t *testing.T) {
	for _, c := range []struct {
		n    int
		noun string
		want string
	}{
		{0, "fault", "0 faults"},
		{1, "fault", "1 fault"},
		{2, "smaller run", "2 smaller runs"},
		{1, "crash", "1 crash"},
		{7, "crash", "7 crashes"},
		{3, "patch", "3 patches"},
	} {
		if got := Count(c.n, c.noun); got != c.want {
			t.Errorf("%d of %q: %q, want %q", c.n, c.noun, got, c.want)
		}
	}
}

func TestTogether(t *testing.T) {
	for want, names := range map[string][]string{
		"": nil, "n1": {"n1"}, "n1 and n2": {"n1", "n2"}, "n1, n2 and n3": {"n1", "n2", "n3"},
	} {
		if got := Together(names); got != want {
			t.Errorf("%q: %q, want %q", names, got, want)
		}
	}
}
