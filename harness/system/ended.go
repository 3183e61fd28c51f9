package system

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
)

// EndedByItself reads the log of a node that was collected, and returns, for each of its processes that ended
// without being told to, the reason: the first line of a panic, the error at which the node stopped, or the reason
// why it did not start. Failures of the machine (a full disk, a port in use) do not count as the node's: failed says
// that there were such. A log that cannot be read yields nothing.
func EndedByItself(file string) (reasons []string, failed bool) {
	f, err := os.Open(file)
	if err != nil {
		return nil, false
	}
	defer func() { _ = f.Close() }() // opened for reading
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadString('\n')
		switch why := lastWords(strings.TrimSpace(line)); {
		case why == "":
		case machinesFault(why):
			failed = true
		default:
			reasons = append(reasons, why)
		}
		if err != nil {
			return reasons, failed
		}
	}
}

// lastWords returns why the process that wrote the line ended; "" if it continued, or was told to end.
func lastWords(line string) string {
	for _, words := range []string{"panic: ", "fatal error: "} { // written by the Go runtime
		if strings.HasPrefix(line, words) {
			return line
		}
	}
	if why, refused := strings.CutPrefix(line, "elenchus-node: "); refused {
		return "it did not start: " + why
	}
	if !strings.HasPrefix(line, "{") {
		return ""
	}
	var entry struct {
		Message string `json:"@message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal([]byte(line), &entry) != nil || !strings.HasPrefix(entry.Message, "node stopped") {
		return ""
	}
	return entry.Error
}

// machinesFaults are the texts of errors caused by the machine, not by a program.
var machinesFaults = []string{
	"address already in use", "cannot assign requested address", "no space left on device", "too many open files",
	"cannot allocate memory", "out of memory", "permission denied", "read-only file system", "input/output error",
	"resource temporarily unavailable",
}

func machinesFault(why string) bool {
	for _, words := range machinesFaults {
		if strings.Contains(why, words) {
			return true
		}
	}
	return false
}
