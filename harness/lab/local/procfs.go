//go:build linux

package local

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// startTime returns the start time of a process, in clock ticks since boot: field 22 of /proc/PID/stat, proc(5).
func startTime(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read start time: %w", err)
	}
	// The command's name, field 2, is in parentheses and may contain spaces and parentheses.
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 20 {
		return 0, fmt.Errorf("read start time: /proc/%d/stat is too short", pid)
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read start time: %w", err)
	}
	return start, nil
}

// statusIDs extracts the parent from /proc/PID/status, and the process's ids in this and all deeper namespaces.
func statusIDs(status string) (parent int, ids []int) {
	for line := range strings.Lines(status) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "PPid":
			parent, _ = strconv.Atoi(strings.TrimSpace(value))
		case "NSpid":
			for _, field := range strings.Fields(value) {
				id, _ := strconv.Atoi(field)
				ids = append(ids, id)
			}
		}
	}
	return parent, ids
}
