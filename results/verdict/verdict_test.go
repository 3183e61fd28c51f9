package verdict

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestExitCode(t *testing.T) {
	good := Verdict{
		Safety: Safety{Status: Valid}, Liveness: Liveness{Status: Valid},
		Coverage: Coverage{Status: Sufficient}, Harness: Harness{Status: Healthy},
	}
	with := func(change func(*Verdict)) Verdict { v := good; change(&v); return v }
	bad := with(func(v *Verdict) {
		v.Coverage.Status, v.Harness.Status, v.Liveness.Status = Vacuous, Failed, Unknown
	})
	tests := []struct {
		name string
		v    Verdict
		code int
		word string
	}{
		{"all good", good, ExitValid, "VALID"},
		{"violation outranks all", func() Verdict { v := bad; v.Safety.Status = Violated; return v }(), ExitViolated,
			"VIOLATED"},
		{"stuck outranks all", func() Verdict { v := bad; v.Liveness.Status = Violated; return v }(), ExitViolated,
			"VIOLATED"},
		{"unknown safety", func() Verdict { v := bad; v.Safety.Status = Unknown; return v }(), ExitUnknown, "UNKNOWN"},
		{"failed harness", bad, ExitHarness, "HARNESS FAILED"},
		{"interrupted", with(func(v *Verdict) { v.Harness.Status = Interrupted }), ExitHarness, "INTERRUPTED"},
		{"nothing looked at", with(func(v *Verdict) { v.Safety.Status = None }), ExitHarness, "HARNESS FAILED"},
		{"vacuous", with(func(v *Verdict) { v.Coverage.Status = Vacuous; v.Liveness.Status = Unknown }), ExitVacuous,
			"VACUOUS"},
		{"unknown liveness", with(func(v *Verdict) { v.Liveness.Status = Unknown }), ExitUnknown, "UNKNOWN"},
	}
	for _, tt := range tests {
		if c, w := tt.v.ExitCode(), tt.v.Word(); c != tt.code || w != tt.word {
			t.Errorf("%s: %d %s, want %d %s", tt.name, c, w, tt.code, tt.word)
		}
	}
}

func TestPictureFileStaysInItsDirectory(t *testing.T) {
	seen := make(map[string]string)
	long := strings.Repeat("k", 300)
	for _, key := range []string{"x", "../../etc/passwd", "a/b", "a=2fb", "", ".", "..", "\x00", "ä", "A", "a", long,
		long + "x"} {
		f := PictureFile(key)
		if filepath.Dir(f) != "linearizability" || len(filepath.Base(f)) > 120 || strings.ContainsAny(f, "\x00\\%") {
			t.Errorf("PictureFile(%q) = %q", key, f)
		}
		if other, ok := seen[f]; ok {
			t.Errorf("%q and %q share %q", key, other, f)
		}
		seen[f] = key
	}
	if got := PictureFile("r17"); got != "linearizability/r17.html" {
		t.Error(got)
	}
}
