package control

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"
)

// treeFilesMax limits the files and directories of one DownloadTree.
const treeFilesMax = 100_000

// DownloadTree copies the files under remoteDir into localDir, which is created if necessary. It copies directories
// and regular files, and skips everything else (links, devices, sockets). Nothing is written outside localDir,
// whatever names and links the host reports; characters in names that could affect a terminal are written as %XX.
// The total size of the files is limited to bytesMax.
//
// Files may change while they are read; tar's view of them is copied. Files that could not be read are reported as
// an error after the others have been copied.
func (c *Client) DownloadTree(ctx context.Context, remoteDir, localDir string, bytesMax int64) error {
	if err := os.MkdirAll(localDir, 0o755); err != nil {
		return fmt.Errorf("download %s: %w", remoteDir, err)
	}
	root, err := os.OpenRoot(localDir)
	if err != nil {
		return fmt.Errorf("download %s: %w", remoteDir, err)
	}
	defer func() { _ = root.Close() }()

	// GNU tar's status 1 means that files changed while they were read.
	script := fmt.Sprintf("tar -C %s -cf - . || { status=$?; tar --version 2>/dev/null | grep -q GNU && "+
		"[ $status = 1 ] || exit $status; }", Quote(remoteDir))
	r, w := io.Pipe()
	unpacked := make(chan error, 1)
	go func() {
		err := unpack(root, r, bytesMax)
		_ = r.CloseWithError(err) // an error stops the sender; nil lets it finish
		unpacked <- err
	}()
	sendErr := c.Exec(ctx, script, nil, w)
	_ = w.Close()
	if err := <-unpacked; err != nil && (sendErr == nil || !errors.Is(err, io.ErrUnexpectedEOF)) {
		return fmt.Errorf("download %s from %s: %w", remoteDir, c.host.Name, err)
	}
	if sendErr != nil {
		return fmt.Errorf("download %s: %w", remoteDir, sendErr)
	}
	return nil
}

// unpack writes the archive into root.
func unpack(root *os.Root, r io.Reader, bytesMax int64) error {
	archive := tar.NewReader(r)
	left := bytesMax
	for files := 0; ; files++ {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			_, err := io.Copy(io.Discard, r) // padding
			return err
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if files >= treeFilesMax {
			return fmt.Errorf("more than %d files", treeFilesMax)
		}
		name, err := localName(h.Name)
		if err != nil {
			return err
		}
		switch h.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, 0o755)
		case tar.TypeReg:
			if left -= h.Size; left < 0 {
				return fmt.Errorf("%s: more than %d bytes in all", name, bytesMax)
			}
			err = unpackFile(root, name, archive)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, r io.Reader) (err error) {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, r)
	return err
}

// localName returns the name under which a member of an archive is stored.
func localName(name string) (string, error) {
	clean := path.Clean(name)
	if !filepath.IsLocal(clean) {
		return "", fmt.Errorf("archive has the name %q, which leads out of the directory", name)
	}
	var b strings.Builder
	for i, size := 0, 0; i < len(clean); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(clean[i:])
		if r == utf8.RuneError || r == '%' || !unicode.IsPrint(r) {
			fmt.Fprintf(&b, "%%%02X", clean[i:i+size])
		} else {
			b.WriteRune(r)
		}
	}
	return filepath.FromSlash(b.String()), nil
}
