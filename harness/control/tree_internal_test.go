package control

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// No archive, whatever a host sends, may write outside the directory.
func TestUnpackStaysInside(t *testing.T) {
	file := func(name string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 4, Mode: 0o666}
	}
	link := func(name, to string, kind byte) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: kind, Mode: 0o777}
	}
	tests := []struct {
		name    string
		headers []tar.Header
		refused bool
	}{
		{"parent", []tar.Header{file("../evil")}, true},
		{"parent later", []tar.Header{file("a/../../evil")}, true},
		{"absolute", []tar.Header{file("/evil")}, true},
		{"directory outside", []tar.Header{{Name: "../evil", Typeflag: tar.TypeDir, Mode: 0o777}}, true},
		{"the directory itself", []tar.Header{file(".")}, true},
		{"through a link of the archive", []tar.Header{link("l", "..", tar.TypeSymlink), file("l/evil")}, false},
		{"hard link", []tar.Header{link("l", "../victim", tar.TypeLink), file("l")}, false},
		{"through a link that was there", []tar.Header{file("present/evil")}, true},
		{"onto a link that was there", []tar.Header{file("present-file")}, true},
		{"device", []tar.Header{{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}}, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			outer := t.TempDir()
			inner := filepath.Join(outer, "inner")
			victim := filepath.Join(outer, "victim")
			for _, err := range []error{os.Mkdir(inner, 0o755), os.WriteFile(victim, []byte("old"), 0o600),
				os.Symlink("..", filepath.Join(inner, "present")),
				os.Symlink("../victim", filepath.Join(inner, "present-file"))} {
				if err != nil {
					t.Fatal(err)
				}
			}
			var archive bytes.Buffer
			w := tar.NewWriter(&archive)
			for _, h := range tc.headers {
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				_, _ = w.Write([]byte("evil")[:h.Size])
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			root, err := os.OpenRoot(inner)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = root.Close() }()
			if err := unpack(root, &archive, 1000); (err != nil) != tc.refused {
				t.Errorf("got %v, want refused: %v", err, tc.refused)
			}
			if got, err := os.ReadFile(victim); err != nil || string(got) != "old" {
				t.Errorf("the file outside became %q, %v", got, err)
			}
			if entries, err := os.ReadDir(outer); err != nil || len(entries) != 2 {
				t.Errorf("outside there is %v, %v", entries, err)
			}
		})
	}
}

func FuzzLocalName(f *testing.F) {
	for _, s := range []string{"a", "../a", "/", "", ".", "a/./b//c", "a/..", "\x00", "..\\a", "a\xff/..%2e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		local, err := localName(name)
		if err == nil && !filepath.IsLocal(local) {
			t.Errorf("%q became %q", name, local)
		}
		if err == nil && bytes.ContainsAny([]byte(local), "\x00\n\x1b\x7f") {
			t.Errorf("%q became %q, which has control characters", name, local)
		}
	})
}
