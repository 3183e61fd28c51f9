//go:build linux

package local

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	Main()
	if role := os.Getenv("LAB_TEST_ROLE"); role != "" {
		os.Exit(play(role))
	}
	os.Exit(m.Run())
}
