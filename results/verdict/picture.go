package verdict

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// PictureFile is where the picture of a register that no order explains is kept, relative to the run directory:
// "linearizability/<key>.html". Keys may be any text: what is not safe in a file name is escaped, and long keys are cut
// and told apart by a hash.
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
