# The code that a process under the shim runs instead of its vDSO clock functions: x86-64, System V calling convention.
#
# It is copied to a page of its own; the control page is mapped right behind it (layout: control.go). Every address is
# relative to the instruction pointer, so the two pages may lie anywhere and nothing needs relocating. The bytes in
# table_linux_amd64.go are made from this file: go test ./nemesis/clockshim -run TestBlob -update
#
# Only registers that a called function may destroy are used. The system call itself destroys rax, rcx and r11.

	.intel_syntax noprefix
	.text

	.set	NANO, 1000000000
	.set	SYS_clock_gettime, 228
	.set	SYS_gettimeofday, 96
	.set	MONOTONIC, 1
	.set	MONOTONIC_COARSE, 6

	.set	control, clock_gettime + 4096
	.set	SEQ, 64			# number of the state; odd while the slot not in use is being written
	.set	SLOT0, 256		# two slots of 128 bytes: the instant since which they count, then four lines
	.set	SLOT1, 384
	.set	RATE, 8			# in a line: base, rate; a rate of 0 means the real clock

# int clock_gettime(clockid_t edi, struct timespec *rsi)
#
#	r10d	the clock that was asked for	r8	the offset of its line in a slot
#	edi	the clock the line counts on	r9	SEQ before the clock was read
clock_gettime:
	endbr64
	cmp	edi, 11
	ja	real			# unsigned, so that process clocks (negative) are real as well
	mov	r10d, edi
	lea	rax, [rip + lines]
	movzx	r8d, byte ptr [rax + r10]
	test	r8d, r8d
	jz	real

again:
	mov	r9, [rip + control + SEQ]
	lea	rdx, [rip + control + SLOT0]
	mov	rax, [rdx + r8 + RATE]
	or	rax, [rdx + r8 + RATE + SLOT1 - SLOT0]
	jz	plain			# real before and after the last change: one system call will do

	mov	edi, MONOTONIC		# lines count on the monotonic clock, those of coarse clocks on the coarse one
	lea	eax, [r10 - 5]
	cmp	eax, 2
	jae	read
	mov	edi, MONOTONIC_COARSE
read:
	mov	eax, SYS_clock_gettime
	syscall
	test	eax, eax
	jnz	done
	imul	rax, [rsi], NANO
	add	rax, [rsi + 8]

	mov	ecx, r9d		# the slot in use is 128 * (SEQ/2 mod 2) behind the first
	and	ecx, 2
	shl	ecx, 6
	add	rdx, rcx
	cmp	rax, [rdx]
	jge	picked
	test	r9d, 1			# the other slot is being written; this one began long ago
	jnz	picked
	xor	rdx, SLOT0 ^ SLOT1	# the last change is still to come: the slot before it
picked:
	mov	rcx, [rdx]
	mov	r11, [rdx + r8]
	mov	rdx, [rdx + r8 + RATE]
	cmp	r9, [rip + control + SEQ]
	jne	again			# changed meanwhile: neither the slot nor the clock's reading can be trusted

	test	rdx, rdx
	jz	passes
	sub	rax, rcx
	jns	scale
	xor	eax, eax		# a coarse clock that lags behind two changes stands still
scale:
	mul	rdx			# 128 bits
	mov	ecx, NANO
	div	rcx			# traps on overflow, which takes 29 years at the highest rate
	add	rax, r11
	xor	edx, edx
	div	rcx
	mov	[rsi], rax
	mov	[rsi + 8], rdx
	xor	eax, eax
	ret

passes:
	xor	eax, eax
	cmp	edi, r10d
	je	done			# it has just been read
plain:
	mov	edi, r10d
	mov	eax, SYS_clock_gettime
	syscall
	cmp	r9, [rip + control + SEQ]
	jne	again
	ret
done:
	ret
real:
	mov	eax, SYS_clock_gettime
	syscall
	ret

# int gettimeofday(struct timeval *rdi, struct timezone *rsi)
	.balign	16, 0xcc
gettimeofday:
	endbr64
	push	rdi
	push	rsi
	sub	rsp, 24
	test	rdi, rdi
	jz	zone
	xor	edi, edi		# CLOCK_REALTIME
	mov	rsi, rsp
	call	clock_gettime
	test	eax, eax
	jnz	leave
	mov	rdi, [rsp + 32]
	mov	rax, [rsp]
	mov	[rdi], rax
	mov	rax, [rsp + 8]
	xor	edx, edx
	mov	ecx, 1000
	div	rcx
	mov	[rdi + 8], rax
zone:
	xor	eax, eax
	mov	rsi, [rsp + 24]
	test	rsi, rsi
	jz	leave
	xor	edi, edi		# the time zone alone
	mov	eax, SYS_gettimeofday
	syscall
leave:
	add	rsp, 40
	ret

# time_t time(time_t *rdi)
	.balign	16, 0xcc
time:
	endbr64
	push	rdi
	sub	rsp, 16
	mov	edi, 5			# CLOCK_REALTIME_COARSE, as in the kernel
	mov	rsi, rsp
	call	clock_gettime
	mov	rax, [rsp]
	add	rsp, 16
	pop	rdi
	test	rdi, rdi
	jz	return
	mov	[rdi], rax
return:
	ret

# Where a function called by the tracer returns to.
	.balign	16, 0xcc
trap:
	int3

# The offset of each clock's line in a slot; 0 is a clock that stays real.
lines:
	.byte	16			# CLOCK_REALTIME
	.byte	32			# CLOCK_MONOTONIC
	.byte	0			# CLOCK_PROCESS_CPUTIME_ID
	.byte	0			# CLOCK_THREAD_CPUTIME_ID
	.byte	0			# CLOCK_MONOTONIC_RAW
	.byte	16			# CLOCK_REALTIME_COARSE
	.byte	32			# CLOCK_MONOTONIC_COARSE
	.byte	48			# CLOCK_BOOTTIME
	.byte	0			# CLOCK_REALTIME_ALARM
	.byte	0			# CLOCK_BOOTTIME_ALARM
	.byte	0			# unused
	.byte	64			# CLOCK_TAI
