#include "textflag.h"

// func callVDSO(function uintptr, clock int64, ts *unix.Timespec) int64
//
// A C function wants an aligned stack with room below; a kilobyte is several times what the kernel's functions use.
TEXT ·callVDSO(SB), 0, $1024-32
	MOVQ function+0(FP), AX
	MOVQ clock+8(FP), DI
	MOVQ ts+16(FP), SI
	MOVQ SP, BX
	ANDQ $~15, SP
	CALL AX
	MOVQ BX, SP
	MOVQ AX, ret+24(FP)
	RET
