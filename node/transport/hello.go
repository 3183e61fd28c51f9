package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// hello is the first message in each direction. In a welcome, refusal is the reason why the connection is refused; it
// is empty otherwise.
type hello struct {
	version  uint16
	from, to uint16
	cluster  string
	refusal  string
}

const (
	helloMagic    = "ELENCHUS"
	helloVersion  = 1
	helloBytesMax = 1 << 10
	refusalMax    = 512
)

// ErrRefused means that the peer is not the intended node, or refused the connection.
var ErrRefused = errors.New("refused")

func (h hello) encode() []byte {
	b := append([]byte{}, helloMagic...)
	b = binary.LittleEndian.AppendUint16(b, h.version)
	b = binary.LittleEndian.AppendUint16(b, h.from)
	b = binary.LittleEndian.AppendUint16(b, h.to)
	for _, s := range []string{h.cluster, h.refusal[:min(len(h.refusal), refusalMax)]} {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	return b
}

// decodeHello decodes a hello. The fields after the version are valid only if the version is ours.
func decodeHello(b []byte) (hello, error) {
	if len(b) < len(helloMagic)+2 || string(b[:len(helloMagic)]) != helloMagic {
		return hello{}, errors.New("this is no elenchus peer")
	}
	b = b[len(helloMagic):]
	h := hello{version: binary.LittleEndian.Uint16(b)}
	if h.version != helloVersion {
		return h, nil
	}
	if len(b) < 6 {
		return h, io.ErrUnexpectedEOF
	}
	h.from, h.to = binary.LittleEndian.Uint16(b[2:]), binary.LittleEndian.Uint16(b[4:])
	b = b[6:]
	for _, s := range []*string{&h.cluster, &h.refusal} {
		if len(b) < 2 || len(b)-2 < int(binary.LittleEndian.Uint16(b)) {
			return h, io.ErrUnexpectedEOF
		}
		n := int(binary.LittleEndian.Uint16(b))
		*s, b = string(b[2:2+n]), b[2+n:]
	}
	if len(b) > 0 {
		return h, errors.New("hello is longer than it says")
	}
	return h, nil
}

// objection returns why this node refuses the sender of h, or "" if it does not.
func (t *Transport) objection(h hello) string {
	_, member := t.opts.Peers[h.from]
	switch {
	case h.version != helloVersion:
		return fmt.Sprintf("peer speaks version %d, this node %d", h.version, helloVersion)
	case h.cluster != t.opts.Cluster:
		return fmt.Sprintf("peer belongs to cluster %q, this node to %q", h.cluster, t.opts.Cluster)
	case h.to != t.opts.Self:
		return fmt.Sprintf("peer wants node %d, this is node %d", h.to, t.opts.Self)
	case h.from == t.opts.Self:
		return fmt.Sprintf("peer says it is node %d, which is this node", h.from)
	case !member:
		return fmt.Sprintf("node %d is not a member of cluster %q", h.from, t.opts.Cluster)
	}
	return ""
}

// greet is the dialler's side of the handshake with node to.
func (t *Transport) greet(r io.Reader, w *bufio.Writer, to uint16) error {
	mine := hello{version: helloVersion, from: t.opts.Self, to: to, cluster: t.opts.Cluster}
	if err := errors.Join(writeFrame(w, frameHello, mine.encode()), w.Flush()); err != nil {
		return err
	}
	theirs, err := readHello(r, frameWelcome)
	if err != nil {
		return err
	}
	if theirs.version == helloVersion && theirs.refusal != "" {
		return fmt.Errorf("%w by node %d: %s", ErrRefused, theirs.from, theirs.refusal)
	}
	if reason := t.objection(theirs); reason != "" {
		return fmt.Errorf("%w: %s", ErrRefused, reason)
	}
	if theirs.from != to {
		return fmt.Errorf("%w: node %d answers at the address of node %d", ErrRefused, theirs.from, to)
	}
	return nil
}

// welcome is the acceptor's side of the handshake. It returns the dialling node.
func (t *Transport) welcome(r io.Reader, w *bufio.Writer) (uint16, error) {
	theirs, err := readHello(r, frameHello)
	if err != nil {
		return 0, err
	}
	reason := t.objection(theirs)
	mine := hello{version: helloVersion, from: t.opts.Self, to: theirs.from, cluster: t.opts.Cluster, refusal: reason}
	if err := errors.Join(writeFrame(w, frameWelcome, mine.encode()), w.Flush()); err != nil {
		return 0, err
	}
	if reason != "" {
		return 0, fmt.Errorf("%w: %s", ErrRefused, reason)
	}
	return theirs.from, nil
}

func readHello(r io.Reader, want frameKind) (hello, error) {
	kind, payload, err := readFrame(r, helloBytesMax)
	if err != nil {
		return hello{}, fmt.Errorf("read hello: %w", err)
	}
	if kind != want {
		return hello{}, fmt.Errorf("read hello: frame kind %d instead of %d", kind, want)
	}
	return decodeHello(payload)
}
