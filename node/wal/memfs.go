package wal

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
)

// ErrCrashed is returned by every operation on a MemFS between a crash and Reboot.
var ErrCrashed = errors.New("file system has crashed")

// MemFS is an in-memory file system that crashes and fails on demand, for tests. It behaves as badly as POSIX allows:
// unsynced sectors survive or not, independently of each other; unsynced directory changes survive in order up to some
// point; and after a failed Sync the unwritten sectors count as clean, so that a second Sync succeeds without writing
// them.
//
// Paths are plain strings, and directories exist implicitly.
type MemFS struct {
	mu      sync.Mutex
	entries map[string]*memInode // as processes see it
	durable map[string]*memInode // as a reboot would find it
	journal []memRename          // directory changes that are not yet durable
	locks   map[string]bool
	ops     int
	crashAt int
	failAt  int
	failErr error
	rng     *rand.Rand
	crashed bool
}

type memInode struct {
	data    []byte // the page cache
	durable []byte
	dirty   map[int64]bool // sectors that the next Sync will write
}

// memRename is a change of a directory entry: from is empty for a creation, to is empty for a removal.
type memRename struct {
	from, to string
	inode    *memInode
}

// NewMemFS returns an empty file system whose random choices come from seed.
func NewMemFS(seed uint64) *MemFS {
	return &MemFS{
		entries: make(map[string]*memInode),
		durable: make(map[string]*memInode),
		locks:   make(map[string]bool),
		rng:     rand.New(rand.NewPCG(seed, 0)),
	}
}

// Ops returns the number of operations so far.
func (m *MemFS) Ops() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ops
}

// CrashAt makes the nth operation from now and all later ones fail with ErrCrashed. A failing write may be partial.
func (m *MemFS) CrashAt(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.crashAt = m.ops + n
}

// FailAt makes the nth operation from now fail with err. A failing write may be partial; a failing sync drops the dirty
// sectors.
func (m *MemFS) FailAt(n int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failAt, m.failErr = m.ops+n, err
}

// Kill simulates kill -9: it ends the processes using the file system but keeps the page cache.
func (m *MemFS) Kill() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.locks = make(map[string]bool)
	m.crashed, m.crashAt, m.failAt = false, 0, 0
}

// Reboot simulates a power loss: it ends the processes and drops the page cache. Data that was not durable survives at
// random.
func (m *MemFS) Reboot() {
	m.Kill()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replay(m.rng.IntN(len(m.journal) + 1))
	m.journal = nil
	m.entries = make(map[string]*memInode)
	for name, inode := range m.durable {
		inode.reboot(m.rng)
		m.entries[name] = inode
	}
}

// Bytes returns a copy of a file's contents, or nil.
func (m *MemFS) Bytes(name string) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if inode := m.entries[name]; inode != nil {
		return append([]byte{}, inode.data...)
	}
	return nil
}

// SetBytes replaces a file's contents, durably.
func (m *MemFS) SetBytes(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	inode := &memInode{data: append([]byte{}, data...), durable: append([]byte{}, data...), dirty: map[int64]bool{}}
	m.entries[name], m.durable[name] = inode, inode
}

// replay makes the first n directory changes durable.
func (m *MemFS) replay(n int) {
	for _, change := range m.journal[:n] {
		delete(m.durable, change.from)
		if change.to != "" {
			m.durable[change.to] = change.inode
		}
	}
	m.journal = m.journal[n:]
}

// reboot keeps a random part of the unsynced sectors and of the unsynced length.
func (f *memInode) reboot(rng *rand.Rand) {
	size := len(f.durable)
	if grown := len(f.data) - size; grown > 0 {
		size += rng.IntN(grown + 1)
	} else if grown < 0 && rng.IntN(2) == 0 {
		size = len(f.data)
	}
	data := make([]byte, size)
	copy(data, f.durable)
	for at := int64(0); at < int64(size); at += sectorBytes {
		if f.dirty[at/sectorBytes] && rng.IntN(2) == 0 && at < int64(len(f.data)) {
			copy(data[at:min(at+sectorBytes, int64(size))], f.data[at:])
		}
	}
	f.data, f.durable, f.dirty = data, append([]byte{}, data...), map[int64]bool{}
}

// begin counts an operation and returns its error, if it is to fail.
func (m *MemFS) begin() error {
	m.ops++
	if m.crashAt > 0 && m.ops >= m.crashAt {
		m.crashed = true
	}
	if m.crashed {
		return ErrCrashed
	}
	if m.ops == m.failAt {
		return m.failErr
	}
	return nil
}

// MkdirAll implements FS.
func (m *MemFS) MkdirAll(string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.begin()
}

// OpenFile implements FS.
func (m *MemFS) OpenFile(name string, flag int) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(); err != nil {
		return nil, err
	}
	inode := m.entries[name]
	if inode == nil {
		if flag&os.O_CREATE == 0 {
			return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
		}
		inode = &memInode{dirty: map[int64]bool{}}
		m.entries[name] = inode
		m.journal = append(m.journal, memRename{to: name, inode: inode})
	}
	if flag&os.O_TRUNC != 0 {
		inode.truncate(0)
	}
	return &memFile{fs: m, inode: inode}, nil
}

// Rename implements FS.
func (m *MemFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(); err != nil {
		return err
	}
	inode := m.entries[from]
	if inode == nil {
		return &os.PathError{Op: "rename", Path: from, Err: os.ErrNotExist}
	}
	delete(m.entries, from)
	m.entries[to] = inode
	m.journal = append(m.journal, memRename{from: from, to: to, inode: inode})
	return nil
}

// Remove implements FS.
func (m *MemFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(); err != nil {
		return err
	}
	if m.entries[name] == nil {
		return &os.PathError{Op: "remove", Path: name, Err: os.ErrNotExist}
	}
	delete(m.entries, name)
	m.journal = append(m.journal, memRename{from: name})
	return nil
}

// SyncDir implements FS; it makes all directories durable.
func (m *MemFS) SyncDir(string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(); err != nil {
		return err
	}
	m.replay(len(m.journal))
	return nil
}

// Lock implements FS.
func (m *MemFS) Lock(name string) (io.Closer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.begin(); err != nil {
		return nil, err
	}
	if m.locks[name] {
		return nil, ErrLocked
	}
	m.locks[name] = true
	return memLock{m, name}, nil
}

type memLock struct {
	fs   *MemFS
	name string
}

func (l memLock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.name)
	return nil
}

type memFile struct {
	fs    *MemFS
	inode *memInode
}

func (f *memFile) ReadAt(b []byte, offset int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.begin(); err != nil {
		return 0, err
	}
	if offset >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.data[offset:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, offset int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	wasCrashed := f.fs.crashed
	if err := f.fs.begin(); err != nil {
		if wasCrashed {
			return 0, err
		}
		n := f.fs.rng.IntN(len(b) + 1)
		f.inode.write(b[:n], offset)
		return n, err
	}
	f.inode.write(b, offset)
	return len(b), nil
}

func (f *memInode) write(b []byte, offset int64) {
	end := offset + int64(len(b))
	if grow := end - int64(len(f.data)); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	copy(f.data[offset:], b)
	for s := offset / sectorBytes; s*sectorBytes < end; s++ {
		f.dirty[s] = true
	}
}

func (f *memInode) truncate(size int64) {
	if size > int64(len(f.data)) {
		f.data = append(f.data, make([]byte, size-int64(len(f.data)))...)
	}
	f.data = f.data[:size:size]
}

func (f *memFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.inode.data)), f.fs.begin()
}

func (f *memFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.begin(); err != nil {
		return err
	}
	f.inode.truncate(size)
	return nil
}

func (f *memFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.begin(); err != nil {
		if !f.fs.crashed {
			f.inode.dirty = map[int64]bool{}
		}
		return err
	}
	old := f.inode.durable
	f.inode.durable = make([]byte, len(f.inode.data))
	copy(f.inode.durable, old)
	for s := range f.inode.dirty {
		at := s * sectorBytes
		if at < int64(len(f.inode.data)) {
			copy(f.inode.durable[at:min(at+sectorBytes, int64(len(f.inode.durable)))], f.inode.data[at:])
		}
	}
	f.inode.dirty = map[int64]bool{}
	return nil
}

func (f *memFile) Close() error { return nil }
