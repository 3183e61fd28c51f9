package control

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Upload writes the contents of r to the file remotePath, creating its directory if necessary. The file appears
// complete, with its mode, or not at all: it is written under another name, its size is checked against what was
// sent, and only then is it renamed. It is not synced to disk.
func (c *Client) Upload(ctx context.Context, r io.Reader, remotePath string, mode fs.FileMode) error {
	if !path.IsAbs(remotePath) {
		return c.failure("upload "+remotePath, errors.New("remote path is not absolute"))
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.BulkTimeout)
	defer cancel()
	temporary := fmt.Sprintf("%s.part-%s", remotePath, rand.Text()[:8])
	counter := &countingReader{r: r}
	receive := fmt.Sprintf("mkdir -p -- %s && cat >%s", Quote(path.Dir(remotePath)), Quote(temporary))
	err := c.Exec(ctx, receive, counter, nil)
	if err == nil {
		_, err = c.Run(ctx, fmt.Sprintf(`size=$(($(wc -c <%[1]s))) && [ "$size" = %[2]d ] ||
			{ echo "$size bytes arrived of %[2]d" >&2; exit 1; }
			chmod %04[3]o %[1]s && mv -f -- %[1]s %[4]s`,
			Quote(temporary), counter.n, mode.Perm(), Quote(remotePath)))
	}
	if err != nil {
		// ctx may be done, but a partial file must not stay because of that.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), killTimeout)
		defer cancel()
		_, _ = c.Run(clean, "rm -f -- "+Quote(temporary)) // the upload's own error matters more
		return fmt.Errorf("upload %s: %w", remotePath, err)
	}
	return nil
}

// UploadFile makes the local file available in remoteDir under a name that ends in its shortened SHA-256:
// "node-0123456789abcdef". It returns that path, and whether the file had to be sent: if a file of this name and
// size exists already, only its mode is set.
func (c *Client) UploadFile(ctx context.Context, localFile, remoteDir string, mode fs.FileMode) (
	remotePath string, sent bool, err error) {
	f, err := os.Open(localFile)
	if err != nil {
		return "", false, fmt.Errorf("upload: %w", err)
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	size, err := io.Copy(hash, f)
	if err != nil {
		return "", false, fmt.Errorf("upload: %w", err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	remotePath = HashedPath(remoteDir, localFile, sum)
	_, err = c.Run(ctx, fmt.Sprintf(`[ -f %[1]s ] && [ $(($(wc -c <%[1]s))) = %d ] && chmod %04o %[1]s`,
		Quote(remotePath), size, mode.Perm()))
	if err == nil {
		return remotePath, false, nil
	}
	if _, ran := ExitStatus(err); !ran {
		return "", false, fmt.Errorf("upload %s: %w", localFile, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", false, fmt.Errorf("upload: %w", err)
	}
	if err := c.Upload(ctx, f, remotePath, mode); err != nil {
		return "", false, err
	}
	_, err = c.Run(ctx, fmt.Sprintf(`command -v sha256sum >/dev/null || exit 0
		sum=$(sha256sum <%[1]s) && [ "${sum%%%% *}" = %[2]s ] || { rm -f -- %[1]s; echo "wrong hash: $sum" >&2; exit 1; }`,
		Quote(remotePath), sum))
	if err != nil {
		return "", false, fmt.Errorf("upload %s: %w", localFile, err)
	}
	return remotePath, true, nil
}

// HashedPath returns where UploadFile puts a file with the given SHA-256, in hex.
func HashedPath(remoteDir, localFile, sum string) string {
	return path.Join(remoteDir, filepath.Base(localFile)+"-"+sum[:16])
}

// Download copies the remote file to w.
func (c *Client) Download(ctx context.Context, remotePath string, w io.Writer) error {
	if err := c.Exec(ctx, "cat -- "+Quote(remotePath), nil, w); err != nil {
		return fmt.Errorf("download %s: %w", remotePath, err)
	}
	return nil
}

// countingReader counts what was read.
type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
