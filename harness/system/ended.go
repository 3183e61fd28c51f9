package system

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
)

// EndedByItself reads the log of a node that was collected, and says for each of its lives that ended without anybody's
// doing why it did: the first line of a panic, the error at which the node stopped, or the reason for which it did not
// start. What is the machine's fault (a full disk, a port that is taken) is not the node's. A log that cannot be read
// says nothing.
func EndedByItself(file string) (reasons []string) {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // it was only read
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadString('\n')
		if why := lastWords(strings.TrimSpace(line)); why != "" && !machinesFault(why) {
			reasons = append(reasons, why)
		}
		if err != nil {
			return reasons
		}
	}
}

// lastWords is why the process ended that wrote the line; empty if it went on, or was told to end.
func lastWords(line string) string {
	for _, words := range []string{"panic: ", "fatal error: "} { // of Go's run-time system
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

// machinesFaults are the words of errors that the machine makes, and no program.
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
