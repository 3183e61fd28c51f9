//go:build linux

package local

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// frameMax limits the size of a message: enough for the largest environment and argument vector that the kernel
// accepts.
const frameMax = 8 << 20

// frame is a message between a program, the supervisor of its lab, and the hosts. Op determines which fields are
// used.
type frame struct {
	Op string `json:"op"`

	Lab    *labSpec   `json:"lab,omitempty"`
	Host   *hostSpec  `json:"host,omitempty"`
	Argv   []string   `json:"argv,omitempty"`
	Env    []string   `json:"env,omitempty"`
	Dir    string     `json:"dir,omitempty"`
	Signal int        `json:"signal,omitempty"`
	Count  int        `json:"count,omitempty"`
	Code   int        `json:"code,omitempty"`
	Error  string     `json:"error,omitempty"`
	Status *labStatus `json:"status,omitempty"`

	// Unavailable says that Error is an ErrUnavailable.
	Unavailable bool `json:"unavailable,omitempty"`
}

// Operations.
const (
	opBuild   = "build"   // program → supervisor: make the lab (Lab); supervisor → host: become one (Host)
	opReady   = "ready"   // reply: done
	opServe   = "serve"   // program → supervisor: keep running when I am gone, and listen; replied to with ready
	opExec    = "exec"    // program → supervisor: run Argv with the three files sent along
	opExited  = "exited"  // reply: the command is over (Code)
	opSignal  = "signal"  // program → supervisor: I got Signal for the Count-th time, make sure that the command does
	opAbandon = "abandon" // program → supervisor: end the command
	opStatus  = "status"  // both ways
	opDown    = "down"    // program → supervisor: end
	opError   = "error"   // reply: failed (Error)
)

// link carries frames and open files over a unix socket. Sending is safe for concurrent use, receiving is not.
type link struct {
	conn *net.UnixConn
	mu   sync.Mutex
}

// newLink turns an inherited or new socket into a link, and takes ownership of the descriptor.
func newLink(fd int, name string) (*link, error) {
	f := os.NewFile(uintptr(fd), name)
	if f == nil {
		return nil, fmt.Errorf("use descriptor %d: %w", fd, unix.EBADF)
	}
	defer func() { _ = f.Close() }()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("use descriptor %d as a socket: %w", fd, err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("descriptor %d is not a unix socket", fd)
	}
	return &link{conn: unixConn}, nil
}

// socketPair returns our end as a link and the other end as a file to be inherited.
func socketPair(name string) (*link, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	ours, err := newLink(fds[0], name)
	if err != nil {
		_ = unix.Close(fds[1])
		return nil, nil, err
	}
	return ours, os.NewFile(uintptr(fds[1]), name), nil
}

func (l *link) close() { _ = l.conn.Close() }

// send sends a frame, and duplicates of the files with it.
func (l *link) send(f frame, files ...*os.File) error {
	body, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode %s: %w", f.Op, err)
	}
	if len(body) > frameMax {
		return fmt.Errorf("send %s: %d bytes are more than %d", f.Op, len(body), frameMax)
	}
	header := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, file := range files {
			fds[i] = int(file.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, _, err := l.conn.WriteMsgUnix(header, rights, nil); err != nil {
		return fmt.Errorf("send %s: %w", f.Op, err)
	}
	if _, err := l.conn.Write(body); err != nil {
		return fmt.Errorf("send %s: %w", f.Op, err)
	}
	return nil
}

// receive returns the next frame and the files that came with it, or io.EOF when the other side is gone.
func (l *link) receive() (frame, []*os.File, error) {
	var header [4]byte
	rights := make([]byte, unix.CmsgSpace(3*4))
	n, nr, _, _, err := l.conn.ReadMsgUnix(header[:], rights)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return frame{}, nil, err
	}
	files, err := parseRights(rights[:nr])
	if err != nil {
		return frame{}, nil, err
	}
	f, err := l.receiveBody(header, n)
	if err != nil {
		closeFiles(files)
		return frame{}, nil, err
	}
	return f, files, nil
}

func (l *link) receiveBody(header [4]byte, n int) (frame, error) {
	if _, err := io.ReadFull(l.conn, header[n:]); err != nil {
		return frame{}, fmt.Errorf("receive header: %w", err)
	}
	size := binary.BigEndian.Uint32(header[:])
	if size > frameMax {
		return frame{}, fmt.Errorf("receive message: %d bytes are more than %d", size, frameMax)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(l.conn, body); err != nil {
		return frame{}, fmt.Errorf("receive message: %w", err)
	}
	var f frame
	if err := json.Unmarshal(body, &f); err != nil {
		return frame{}, fmt.Errorf("decode message: %w", err)
	}
	return f, nil
}

func parseRights(data []byte) ([]*os.File, error) {
	if len(data) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(data)
	if err != nil {
		return nil, fmt.Errorf("parse control message: %w", err)
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			closeFiles(files)
			return nil, fmt.Errorf("parse passed files: %w", err)
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}

func closeFiles(files []*os.File) {
	for _, f := range files {
		if f != nil {
			_ = f.Close()
		}
	}
}

// unavailable is an ErrUnavailable received over a link.
type unavailable string

func (u unavailable) Error() string        { return string(u) }
func (u unavailable) Is(target error) bool { return target == ErrUnavailable }

// expect receives the reply to the last request.
func (l *link) expect(op string) (frame, error) {
	f, files, err := l.receive()
	closeFiles(files)
	switch {
	case err != nil:
		return frame{}, fmt.Errorf("wait for %s: %w", op, err)
	case f.Op == opError && f.Unavailable:
		return frame{}, unavailable(f.Error)
	case f.Op == opError:
		return frame{}, errors.New(f.Error)
	case f.Op != op:
		return frame{}, fmt.Errorf("wait for %s: got %q", op, f.Op)
	}
	return f, nil
}
