package verdict

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// PictureFile returns the path of the picture of a register whose history is not linearizable, relative to the run
// directory: "linearizability/<key>.html". Characters of the key that are not safe in a file name are escaped, and
// long keys are truncated and made unique by a hash.
func PictureFile(key string) string {
	const bytesMax = 80
	var name strings.Builder
	for _, b := range []byte(key) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_':
			name.WriteByte(b)
		default:
			fmt.Fprintf(&name, "=%02x", b)
		}
	}
	file := name.String()
	if len(file) > bytesMax {
		h := fnv.New64a()
		h.Write([]byte(key))
		file = fmt.Sprintf("%s=%016x", file[:bytesMax], h.Sum64())
	}
	return "linearizability/" + file + ".html"
}
