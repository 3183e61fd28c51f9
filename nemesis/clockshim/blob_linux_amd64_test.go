package clockshim

import (
	"bytes"
	"flag"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write table_linux_amd64.go anew from blob/amd64.S")

const blobTable = "table_linux_amd64.go"

// The bytes in the table are what the assembler makes of the source beside it.
func TestBlobIsItsSource(t *testing.T) {
	object := filepath.Join(t.TempDir(), "blob.o")
	if out, err := exec.Command("as", "--64", "-o", object, "blob/amd64.S").CombinedOutput(); err != nil {
		t.Fatalf("assemble the source: %v\n%s", err, out)
	}
	run := func(args ...string) string {
		out, err := exec.Command(args[0], args[1:]...).Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return string(out)
	}
	if relocations := run("objdump", "-r", object); strings.Contains(relocations, "R_X86_64") {
		t.Fatalf("the code is not position independent:\n%s", relocations)
	}
	want, err := format.Source(table(t, run("objdump", "-D", "-j", ".text", "-M", "intel", "--no-show-raw-insn", "-z", object),
		run("objdump", "-s", "-j", ".text", object), run("nm", object)))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(blobTable, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(blobTable)
	if err != nil {
		t.Fatal(err)
	}
	bytesOnly := regexp.MustCompile(`(?m)//.*$|\s`) // other versions may spell instructions differently
	if a, b := bytesOnly.ReplaceAll(got, nil), bytesOnly.ReplaceAll(want, nil); !bytes.Equal(a, b) {
		t.Errorf("%s is not what blob/amd64.S says; run this test with -update", blobTable)
	}
}

// table renders the assembled code as Go: one instruction a line, with what it is.
func table(t *testing.T, disassembly, dump, symbols string) []byte {
	t.Helper()
	var code []byte
	for _, m := range regexp.MustCompile(`(?m)^ [0-9a-f]+ ((?:[0-9a-f]+ ){1,4}) `).FindAllStringSubmatch(dump, -1) {
		for digits := strings.ReplaceAll(m[1], " ", ""); digits != ""; digits = digits[2:] {
			b, err := strconv.ParseUint(digits[:2], 16, 8)
			if err != nil {
				t.Fatal(err)
			}
			code = append(code, byte(b))
		}
	}
	offset := func(name string) uint64 {
		m := regexp.MustCompile(`(?m)^([0-9a-f]+) t ` + name + `$`).FindStringSubmatch(symbols)
		if m == nil {
			t.Fatalf("no symbol %s in\n%s", name, symbols)
		}
		n, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "// Code generated from blob/amd64.S; DO NOT EDIT.\n\npackage clockshim\n\n")
	fmt.Fprintf(&out, "// Offsets in the blob.\nconst (\n")
	for _, s := range [][2]string{
		{"blobClockGettime", "clock_gettime"}, {"blobGettimeofday", "gettimeofday"}, {"blobTime", "time"}, {"blobTrap", "trap"},
	} {
		fmt.Fprintf(&out, "%s uintptr = %#x\n", s[0], offset(s[1]))
	}
	fmt.Fprintf(&out, ")\n\nvar blob = []byte{\n")
	lines := regexp.MustCompile(`(?m)^ *([0-9a-f]+):\t(.*)$`).FindAllStringSubmatch(disassembly, -1)
	for i, m := range lines {
		from, _ := strconv.ParseUint(m[1], 16, 64)
		to := uint64(len(code))
		if i+1 < len(lines) {
			to, _ = strconv.ParseUint(lines[i+1][1], 16, 64)
		}
		what := "// " + strings.Join(strings.Fields(m[2]), " ")
		if from >= offset("lines") {
			from, what = offset("lines"), "// lines"
			to = uint64(len(code))
		}
		for _, b := range code[from:to] {
			fmt.Fprintf(&out, "%#02x, ", b)
		}
		fmt.Fprintf(&out, "%s\n", what)
		if what == "// lines" {
			break
		}
	}
	fmt.Fprintf(&out, "}\n")
	return out.Bytes()
}
