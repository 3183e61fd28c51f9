package register

import (
	"fmt"
	"strings"
	"testing"
)

// filled returns a store of registers of 100 bytes each, written by a tenth as many clients.
func filled(b *testing.B, keys int) *Store {
	b.Helper()
	s, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	value := strings.Repeat("v", 100)
	for i := range keys {
		clients := max(1, keys/10)
		s.Apply(Command{
			Client: ClientID(i%clients + 1), Seq: uint64(i/clients + 1), Op: OpWrite, Key: fmt.Sprintf("key/%07d", i), Value: value,
		})
	}
	return s
}

// grown returns a store of one list whose elements were each appended by a different client.
func grown(b *testing.B, elements int) *Store {
	b.Helper()
	s := new(Store)
	for i := range elements {
		s.Apply(Command{Client: ClientID(i + 1), Seq: 1, Op: OpAppend, Key: "list", Value: fmt.Sprintf("%032d", i)})
	}
	return s
}

// BenchmarkSnapshotOfAList and BenchmarkRestoreOfAList show that answers sharing one list cost no more than others.
func BenchmarkSnapshotOfAList(b *testing.B) {
	s := grown(b, 10_000)
	for b.Loop() {
		s.Snapshot()
	}
}

func BenchmarkRestoreOfAList(b *testing.B) {
	data := grown(b, 10_000).Snapshot()
	for b.Loop() {
		var s Store
		if err := s.Restore(data); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot measures how long taking a snapshot blocks a node.
func BenchmarkSnapshot(b *testing.B) {
	for _, keys := range []int{10_000, 100_000} {
		s := filled(b, keys)
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for range b.N {
				size = len(s.Snapshot())
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// BenchmarkRestore measures how long installing a snapshot blocks a node.
func BenchmarkRestore(b *testing.B) {
	for _, keys := range []int{10_000, 100_000} {
		data := filled(b, keys).Snapshot()
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				var s Store
				if err := s.Restore(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
