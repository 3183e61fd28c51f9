package control_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"elenchus/harness/control"
	"elenchus/harness/lab/sshd/sshdtest"
)

// randomBytes returns n bytes, the same for every call.
func randomBytes(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

func TestUploadAndDownload(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		c := dial(t, hostOf(e), control.Options{})
		for _, n := range []int{0, 1, 5 << 20} {
			data := randomBytes(n)
			remote := filepath.Join(e.Dir, "new dir", "it's a file")
			if err := c.Upload(context.Background(), bytes.NewReader(data), remote, 0o750); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(remote)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes: uploaded file differs: %d bytes, %v", n, len(got), err)
			}
			if info, err := os.Stat(remote); err != nil || info.Mode() != 0o750 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			var back bytes.Buffer
			if err := c.Download(context.Background(), remote, &back); err != nil || !bytes.Equal(back.Bytes(), data) {
				t.Errorf("%d bytes: downloaded file differs: %d bytes, %v", n, back.Len(), err)
			}
			expectNames(t, filepath.Dir(remote), "it's a file")
		}
	})
}

// failingReader returns some bytes and then an error.
type failingReader struct {
	left int
	err  error
}

func (f *failingReader) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, f.err
	}
	n := min(f.left, len(p))
	f.left -= n
	return n, nil
}

// A failed upload must keep the old file, and leave nothing beside it.
func TestUploadIsAtomic(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		c := dial(t, hostOf(e), control.Options{})
		dir := filepath.Join(e.Dir, "up")
		remote := filepath.Join(dir, "file")
		if err := c.Upload(context.Background(), strings.NewReader("old"), remote, 0o600); err != nil {
			t.Fatal(err)
		}
		broken := errors.New("local disk is broken")
		err := c.Upload(context.Background(), &failingReader{100_000, broken}, remote, 0o600)
		expectError(t, err, broken, "upload "+remote, "read input")

		ctx, cancel := context.WithCancel(context.Background())
		r, w := io.Pipe()
		go func() {
			_, _ = w.Write([]byte("partial"))
			cancel()
		}()
		expectError(t, c.Upload(ctx, r, remote, 0o600), context.Canceled)
		_ = r.Close()

		if got, err := os.ReadFile(remote); err != nil || string(got) != "old" {
			t.Errorf("the old file became %q, %v", got, err)
		}
		expectNames(t, dir, "file")
	})
}

func TestUploadErrors(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	blocker := filepath.Join(e.Dir, "file")
	if err := os.WriteFile(blocker, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expectError(t, c.Upload(context.Background(), bytes.NewReader(randomBytes(5<<20)), blocker+"/x", 0o600), nil,
		"n1", "exit status", "mkdir")
	expectError(t, c.Upload(context.Background(), strings.NewReader(""), "relative", 0o600), nil, "not absolute")
	_, _, err := c.UploadFile(context.Background(), filepath.Join(e.Dir, "none"), e.Dir, 0o600)
	expectError(t, err, os.ErrNotExist, "upload")
}

func TestUploadFileSendsOnce(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	local := filepath.Join(e.Dir, "node")
	data := randomBytes(100_000)
	dir := filepath.Join(e.Dir, "bin")
	want := filepath.Join(dir, fmt.Sprintf("node-%x", sha256.Sum256(data))[:len("node-")+16])
	if err := os.WriteFile(local, data, 0o600); err != nil {
		t.Fatal(err)
	}
	upload := func(wantSent bool) {
		t.Helper()
		remote, sent, err := c.UploadFile(context.Background(), local, dir, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		if remote != want || sent != wantSent {
			t.Errorf("got %s, sent %v, want %s, %v", remote, sent, want, wantSent)
		}
		got, err := os.ReadFile(remote)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("remote file differs: %d bytes, %v", len(got), err)
		}
		if info, err := os.Stat(remote); err != nil || info.Mode() != 0o755 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	upload(true)
	upload(false)
	if err := os.Truncate(want, 10); err != nil { // as a crash of the host might leave it
		t.Fatal(err)
	}
	upload(true)
	if err := os.Chmod(want, 0o600); err != nil {
		t.Fatal(err)
	}
	upload(false)
}

func TestDownloadErrors(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	err := c.Download(context.Background(), "/no/such/file", io.Discard)
	expectError(t, err, nil, "n1", "exit status 1", "No such file")
	full := errors.New("local disk is full")
	err = c.Exec(context.Background(), "yes", nil, failingWriter{full})
	expectError(t, err, full, "write output")
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

func TestExecResults(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		var out, messages bytes.Buffer
		c := dial(t, hostOf(e), control.Options{Stderr: &messages})
		if err := c.Exec(context.Background(), "cat; echo noise >&2", strings.NewReader("in"), &out); err != nil {
			t.Fatal(err)
		}
		if out.String() != "in" || messages.String() != "noise\n" {
			t.Errorf("got %q, and messages %q", out.String(), messages.String())
		}
		err := c.Exec(context.Background(), "echo why >&2; exit 9", nil, nil)
		expectError(t, err, nil, "n1: `echo why >&2; exit 9`: exit status 9: why")
		if status, ok := control.ExitStatus(err); status != 9 || !ok {
			t.Errorf("got status %d, %v", status, ok)
		}
		err = c.Exec(context.Background(), "echo why >&2; kill -TERM $$", nil, nil)
		expectError(t, err, nil, "killed by SIGTERM: why")
		err = c.Exec(context.Background(), "head -c 100000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1", nil, nil)
		expectError(t, err, nil, "xxxend")
		if len(err.Error()) > 5000 {
			t.Errorf("error has %d bytes", len(err.Error()))
		}
		// A reader that never ends must not hold up a script that does not read it.
		r, w := io.Pipe()
		if err := c.Exec(context.Background(), "exit 0", r, nil); err != nil {
			t.Error(err)
		}
		_ = w.Close()
	})
}

func TestDownloadTree(t *testing.T) {
	forEachServer(t, func(t *testing.T, e *sshdtest.Endpoint) {
		c := dial(t, hostOf(e), control.Options{})
		source := filepath.Join(e.Dir, "it's the source")
		files := map[string]string{
			"plain":                   "text",
			"deep/er/file":            string(randomBytes(300_000)),
			"empty":                   "",
			"-dash":                   "dash",
			"control\n\x1b[31mname":   "control",
			"bad\xff\xfeutf8":         "utf8",
			"100%":                    "percent",
			"ünï":                     "letters",
			strings.Repeat("x", 200):  "long",
			"space at the end ":       "space",
			"deep/.hidden/..x/...y/z": "dots",
		}
		for name, text := range files {
			name = filepath.Join(source, name)
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o400); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("/etc/passwd", filepath.Join(source, "link")); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(filepath.Join(source, "fifo"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(source, "empty dir"), 0o755); err != nil {
			t.Fatal(err)
		}
		local := filepath.Join(e.Dir, "local", "copy")
		if err := c.DownloadTree(context.Background(), source, local, 1<<20); err != nil {
			t.Fatal(err)
		}
		escaped := strings.NewReplacer("%", "%25", "\n", "%0A", "\x1b", "%1B", "\xff", "%FF", "\xfe", "%FE")
		want := map[string]string{"empty dir": ""}
		for name, text := range files {
			want[escaped.Replace(name)] = text
		}
		for name, text := range want {
			got, err := os.ReadFile(filepath.Join(local, name))
			if name != "empty dir" && (err != nil || string(got) != text) {
				t.Errorf("%q: got %d bytes, %v", name, len(got), err)
			}
		}
		for _, name := range []string{"link", "fifo"} {
			if _, err := os.Lstat(filepath.Join(local, name)); !os.IsNotExist(err) {
				t.Errorf("%s was copied", name)
			}
		}
		err := c.DownloadTree(context.Background(), source, filepath.Join(e.Dir, "small"), 1000)
		expectError(t, err, nil, "more than 1000 bytes", "n1")
		err = c.DownloadTree(context.Background(), source+"-not", filepath.Join(e.Dir, "none"), 1000)
		expectError(t, err, nil, "exit status", "n1")
	})
}

// Files that grow, shrink and vanish while they are read must not make the others fail.
func TestDownloadTreeThatChanges(t *testing.T) {
	e := sshdtest.Start(t)
	c := dial(t, hostOf(e), control.Options{})
	source := filepath.Join(e.Dir, "source")
	if err := os.MkdirAll(source, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(source, "z-steady"), []byte("steady"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		block := make([]byte, 64<<10)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Microsecond):
			}
			name := filepath.Join(source, "changing")
			f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = f.Write(block)
			_ = f.Close()
			if i%100 == 99 {
				_ = os.Truncate(name, 1000)
			}
			if i%170 == 169 {
				_ = os.Remove(name)
			}
		}
	}()
	for i := range 20 {
		local := filepath.Join(e.Dir, fmt.Sprint("copy", i))
		if err := c.DownloadTree(context.Background(), source, local, 1<<30); err != nil {
			t.Errorf("copy %d: %v", i, err)
		}
		if got, err := os.ReadFile(filepath.Join(local, "z-steady")); err != nil || string(got) != "steady" {
			t.Errorf("copy %d: the file that did not change: %q, %v", i, got, err)
		}
	}
	close(stop)
	<-stopped
}

func expectNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, entry := range entries {
		got = append(got, entry.Name())
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

func BenchmarkUpload(b *testing.B) {
	e := sshdtest.Start(b)
	c := dial(b, hostOf(e), control.Options{})
	data := randomBytes(10 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := c.Upload(context.Background(), bytes.NewReader(data), filepath.Join(e.Dir, "up"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
}
