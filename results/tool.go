package results

import (
	"debug/buildinfo"
	"runtime/debug"
)

// Tool is the program that carried out a run.
type Tool struct {
	Version  string `json:"version"`            // of the module: "(devel)" for a build from a checkout
	Revision string `json:"revision,omitempty"` // commit it was built from
	Dirty    bool   `json:"dirty,omitempty"`    // the checkout had changes that were not committed
	Go       string `json:"go,omitempty"`       // Go release
}

// ThisTool describes the running program, from the build information embedded by the Go toolchain.
func ThisTool() Tool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Tool{Version: "unknown"}
	}
	return toolOf(info)
}

// ToolOf describes the Go program in a file, as far as the toolchain has recorded it.
func ToolOf(path string) Tool {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return Tool{}
	}
	return toolOf(info)
}

// VersionOf returns the version of the Go program in a file in one line, as far as the toolchain has recorded it.
func VersionOf(path string) string { return ToolOf(path).String() }

// OtherCommit reports whether two programs are certainly not from the same commit.
func (t Tool) OtherCommit(u Tool) bool {
	return t.Revision != "" && u.Revision != "" && t.Revision != u.Revision
}

func toolOf(info *debug.BuildInfo) Tool {
	t := Tool{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			t.Revision = s.Value
		case "vcs.modified":
			t.Dirty = s.Value == "true"
		}
	}
	return t
}

// String returns the version in one line: "v1.2.0 (3f2a91c0b1d4, with changes)".
func (t Tool) String() string {
	s := t.Version
	if t.Revision != "" {
		s += " (" + t.Revision[:min(12, len(t.Revision))]
		if t.Dirty {
			s += ", with changes"
		}
		s += ")"
	}
	return s
}
