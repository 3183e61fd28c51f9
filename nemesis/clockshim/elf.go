package clockshim

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	atSysinfoEHDR = 33 // auxiliary vector entry: address of the vDSO
	elfHeaderSize = 64
	maxVDSO       = 1 << 20
)

// symbol is a function in an ELF image.
type symbol struct{ offset, size uint64 }

// elfSize returns the size of a 64-bit ELF image, which ends with its section headers, from its header.
func elfSize(header []byte) (int, error) {
	if len(header) < elfHeaderSize || !bytes.HasPrefix(header, []byte(elf.ELFMAG)) ||
		header[elf.EI_CLASS] != byte(elf.ELFCLASS64) || header[elf.EI_DATA] != byte(elf.ELFDATA2LSB) {
		return 0, errors.New("not a 64-bit little-endian ELF image")
	}
	sections := binary.LittleEndian.Uint64(header[40:])
	size := uint64(binary.LittleEndian.Uint16(header[58:])) * uint64(binary.LittleEndian.Uint16(header[60:]))
	if sections > maxVDSO || size == 0 || sections+size > maxVDSO {
		return 0, fmt.Errorf("section headers at %d, %d bytes", sections, size)
	}
	return int(sections + size), nil
}

// elfSymbols returns the functions that an image exports, by name.
func elfSymbols(image []byte) (map[string]symbol, error) {
	f, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	dynamic, err := f.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	symbols := make(map[string]symbol)
	for _, s := range dynamic {
		if elf.ST_TYPE(s.Info) != elf.STT_FUNC || s.Section == elf.SHN_UNDEF {
			continue
		}
		if s.Value > uint64(len(image)) || s.Size > uint64(len(image))-s.Value {
			return nil, fmt.Errorf("%s lies outside of the image", s.Name)
		}
		symbols[s.Name] = symbol{offset: s.Value, size: s.Size}
	}
	return symbols, nil
}
