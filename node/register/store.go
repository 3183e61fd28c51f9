package register

import "fmt"

// SessionsMaxDefault is the default maximum number of clients a [Store] remembers.
const SessionsMaxDefault = 1 << 20

// Options configures a [Store]. The zero value is usable. All replicas must be configured alike, because the limits
// affect results, and results are replicated state.
type Options struct {
	// SessionsMax is the capacity of the session table, in clients; zero means [SessionsMaxDefault]. The table never
	// evicts a client, since a command of an evicted client could be applied twice.
	SessionsMax int
}

// Validate returns an error describing what is wrong with the options, or nil.
func (o Options) Validate() error {
	if o.SessionsMax < 0 {
		return fmt.Errorf("sessions max must not be negative: %d", o.SessionsMax)
	}
	return nil
}

// Store is one replica of the registers and sessions. The zero value is an empty store with default options. It is not
// safe for concurrent use.
type Store struct {
	sessionsMax int
	registers   map[string]*register
	sessions    map[ClientID]*session
	hash        uint64 // sum of the digests of all registers and sessions

	// The same registers and sessions by key, for snapshots.
	byKey    ordered[string, *register]
	byClient ordered[ClientID, *session]

	// Registers and sessions are never dropped, so they are allocated in pieces that hold many.
	newRegisters []register
	newSessions  []session
	newValues    []string // for registers with one small element
}

// pieceItems is the number of registers or sessions in a piece of memory.
const pieceItems = 16

// next takes an item from a piece of memory, allocating a new piece if it is used up.
func next[T any](piece *[]T) *T {
	if len(*piece) == 0 {
		*piece = make([]T, pieceItems)
	}
	item := &(*piece)[0]
	*piece = (*piece)[1:]
	return item
}

// register is a sequence of elements. Elements are never changed in place: an append writes beyond everything ever
// handed out, and a write starts a new sequence. So results may share its memory.
type register struct {
	values []string
	bytes  int
	chain  uint64 // digest of values
	name   uint64 // digest of the key
	share  uint64 // contribution to the store's hash
}

// session is a client's latest command and its answer.
type session struct {
	seq    uint64
	key    string
	result Result
	chain  uint64 // digest of result.Values
	share  uint64 // contribution to the store's hash
}

// New returns an empty store.
func New(opts Options) (*Store, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	return &Store{sessionsMax: opts.SessionsMax}, nil
}

// Apply executes the next command of the log and returns its answer, which does not change afterwards.
//
// A command with a session is executed if its Seq is above the client's latest; a repeat of the latest gets its first
// answer, and an older one gets [CodeStale]. A command without a session may only be a no-op or a read.
func (s *Store) Apply(c Command) Result {
	if !c.Op.Valid() || c.Op.Mutates() && (c.Client == 0 || c.Seq == 0) {
		return Result{Code: CodeRefused}
	}
	if c.Client == 0 {
		result, _ := s.execute(c)
		return result
	}
	known := s.sessions[c.Client]
	if known != nil {
		switch {
		case c.Seq < known.seq:
			return Result{Code: CodeStale}
		case c.Seq == known.seq:
			return known.result
		}
	} else if len(s.sessions) >= s.limit() {
		return Result{Code: CodeFull}
	}
	result, chain := s.execute(c)
	s.remember(c, known, result, chain)
	return result
}

// Read returns the current elements of a register.
func (s *Store) Read(key string) Result {
	r := s.registers[key]
	if r == nil {
		return Result{}
	}
	return Result{Values: r.shared()}
}

// Sessions returns the number of clients in the session table.
func (s *Store) Sessions() int { return len(s.sessions) }

// Keys returns the number of registers that are not absent.
func (s *Store) Keys() int { return len(s.registers) }

// Hash returns a digest of all registers and sessions. Stores to which the same commands were applied in the same order
// have the same hash, whether or not they were restored from a snapshot. It is maintained incrementally, so the call is
// cheap. It is not collision-resistant against an adversary.
func (s *Store) Hash() uint64 { return s.hash }

func (s *Store) limit() int {
	if s.sessionsMax == 0 {
		return SessionsMaxDefault
	}
	return s.sessionsMax
}

// execute runs a command on its register. The second result is the digest of the values in the first.
func (s *Store) execute(c Command) (Result, uint64) {
	r := s.registers[c.Key]
	switch c.Op {
	case OpNoop:
		return Result{}, 0
	case OpWrite:
		s.replace(c.Key, r, c.Value)
		return Result{}, 0
	case OpCAS:
		if !r.holds(c) {
			return Result{Code: CodeMismatch, Values: r.shared()}, r.digest()
		}
		s.replace(c.Key, r, c.Value)
		return Result{}, 0
	case OpAppend:
		if r.full(c.Value) {
			return Result{Code: CodeFull}, 0
		}
		r = s.extend(c.Key, r, c.Value)
		return Result{Values: r.shared()}, r.chain
	default: // OpRead; Apply has rejected anything else
		return Result{Values: r.shared()}, r.digest()
	}
}

func (s *Store) replace(key string, r *register, value string) {
	r = s.touch(key, r)
	r.values, r.bytes, r.chain = s.single(value), len(value), chain(0, value)
	s.count(r)
}

// smallBytes is the maximum size of elements that share a piece of memory. A piece stays alive while anything in it is
// in use, so large elements get memory of their own.
const smallBytes = 64

// single returns a sequence of one element, with no spare capacity.
func (s *Store) single(value string) []string {
	if len(value) > smallBytes {
		return []string{value}
	}
	if len(s.newValues) == 0 {
		s.newValues = make([]string, pieceItems)
	}
	one := s.newValues[:1:1]
	s.newValues = s.newValues[1:]
	one[0] = value
	return one
}

func (s *Store) extend(key string, r *register, value string) *register {
	r = s.touch(key, r)
	r.values, r.bytes, r.chain = append(r.values, value), r.bytes+len(value), chain(r.chain, value)
	s.count(r)
	return r
}

// count adds the register's digest to the hash.
func (s *Store) count(r *register) {
	r.share = r.contribution()
	s.hash += r.share
}

// touch removes the register's old digest from the hash, creating the register if it is absent.
func (s *Store) touch(key string, r *register) *register {
	if r != nil {
		s.hash -= r.share
		return r
	}
	if s.registers == nil {
		s.registers = make(map[string]*register)
	}
	r = next(&s.newRegisters)
	r.name = digest(key)
	s.registers[key] = r
	s.byKey.add(key, r)
	return r
}

func (s *Store) remember(c Command, known *session, result Result, chain uint64) {
	if known == nil {
		if s.sessions == nil {
			s.sessions = make(map[ClientID]*session)
		}
		known = next(&s.newSessions)
		s.sessions[c.Client] = known
		s.byClient.add(c.Client, known)
	} else {
		s.hash -= known.share
	}
	*known = session{seq: c.Seq, key: c.Key, result: result, chain: chain}
	known.share = known.contribution(c.Client)
	s.hash += known.share
}

// shared returns the register's elements with no spare capacity, so that a receiver's append cannot write to them.
func (r *register) shared() []string {
	if r == nil {
		return nil
	}
	return r.values[:len(r.values):len(r.values)]
}

func (r *register) digest() uint64 {
	if r == nil {
		return 0
	}
	return r.chain
}

// holds reports whether the register matches the expectation of a CAS.
func (r *register) holds(c Command) bool {
	if c.ExpectAbsent {
		return r == nil
	}
	return r != nil && len(r.values) == 1 && r.values[0] == c.Expect
}

func (r *register) full(value string) bool {
	return r != nil && (len(r.values) >= ElementsMax || r.bytes+len(value) > RegisterBytesMax)
}
