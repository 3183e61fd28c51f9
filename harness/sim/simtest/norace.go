//go:build !race

package simtest

const racing = false
