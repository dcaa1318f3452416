// SPDX-License-Identifier: MIT
/*
 * C++'s operators new and delete by their mangled names, in C: a C program that
 * uses this library must not need a C++ runtime. What belongs to the runtime
 * (the new-handler, std::bad_alloc) is referred to weakly.
 *
 * A program may replace some operators and not others; the standard says which
 * of the remaining ones then call the replaced one. So each of ours that has a
 * simpler form asks whether that form is still ours: a comparison of two
 * addresses.
 *
 *	new[]		-> new		delete[]		-> delete
 *	new, nothrow	-> new		delete, sized		-> delete
 *	aligned forms likewise, among themselves
 */
#include <dlfcn.h>
#include <unwind.h>

#include "ashlar.h"
#include "block.h"

#define OPERATOR	__attribute__((weak, visibility("default")))
/* @name is the public one, @own the address of ours. */
#define OPERATOR_IS(own)	__attribute__((weak, visibility("default"), alias(#own), copy(own)))
#define REPLACED(name, own)	unlikely((name) != (own))

typedef void (*handler_fn)(void);
typedef const void *nothrow_ref;

/* --- the C++ runtime, if there is one ---------------------------------------------- */

/* std::get_new_handler(), std::__throw_bad_alloc() and the ends of a catch clause. */
extern handler_fn _ZSt15get_new_handlerv(void) __attribute__((weak));
extern void _ZSt17__throw_bad_allocv(void) __attribute__((weak));
extern void *__cxa_begin_catch(void *exception) __attribute__((weak));
extern void __cxa_end_catch(void) __attribute__((weak));
#pragma weak _Unwind_SetGR
#pragma weak _Unwind_SetIP

/* A static program has no use for these, and must not be made to link them. */
#pragma weak dlopen
#pragma weak dlsym

/* A runtime that came with dlopen() is in nobody's scope but its own. */
static void *runtime_symbol(const char *name)
{
	void *lib = dlopen ? dlopen("libstdc++.so.6", RTLD_NOLOAD | RTLD_LAZY) : NULL;

	return lib ? dlsym(lib, name) : NULL;
}

static handler_fn new_handler(void)
{
	handler_fn (*get)(void) = _ZSt15get_new_handlerv;

	if (!get)
		get = (handler_fn (*)(void))runtime_symbol("_ZSt15get_new_handlerv");
	return get ? get() : NULL;
}

static void throw_bad_alloc(size_t size)
{
	void (*thrower)(void) = _ZSt17__throw_bad_allocv;

	if (!thrower)
		thrower = (void (*)(void))runtime_symbol("_ZSt17__throw_bad_allocv");
	if (thrower)
		thrower();
	ash_fatal("operator new: no memory for %zu bytes, and no C++ runtime to throw std::bad_alloc",
		  size);
}

/* --- no memory ------------------------------------------------------------------------ */

static void *allocate(size_t size, size_t align)
{
	if (!align)
		return fast_malloc(size);
	return is_pow2(align) ? block_alloc_aligned(align, size) : NULL;
}

/* The handler makes memory available, throws, or ends the program; else we throw. */
static noinline __attribute__((cold)) void *new_slow(size_t size, size_t align)
{
	for (;;) {
		handler_fn handler = new_handler();
		void *p;

		if (!handler)
			throw_bad_alloc(size);
		else
			handler();
		p = allocate(size, align);
		if (p)
			return p;
	}
}

/*
 * @fn(@size, @align), or NULL if it throws: a catch clause in C. The frame's
 * personality claims every exception and continues at the landing pad, which
 * ends its life. A forced unwinding (pthread_exit, cancellation) passes through.
 */
void *ash_cxx_guard(void *(*fn)(size_t, size_t), size_t size, size_t align);
_Unwind_Reason_Code ash_cxx_personality(int version, _Unwind_Action actions,
					_Unwind_Exception_Class class,
					struct _Unwind_Exception *exception,
					struct _Unwind_Context *context);
void ash_cxx_caught(void *exception);
extern char ash_cxx_landing[];

#if defined(__x86_64__)
__asm__(
"	.text\n"
"	.type	ash_cxx_guard, @function\n"
"	.globl	ash_cxx_guard\n"
"	.hidden	ash_cxx_guard\n"
"	.globl	ash_cxx_landing\n"
"	.hidden	ash_cxx_landing\n"
"ash_cxx_guard:\n"
"	.cfi_startproc\n"
"	.cfi_personality 0x1b, ash_cxx_personality\n"
"	endbr64\n"
"	subq	$8, %rsp\n"
"	.cfi_adjust_cfa_offset 8\n"
"	movq	%rdi, %rax\n"
"	movq	%rsi, %rdi\n"
"	movq	%rdx, %rsi\n"
"	call	*%rax\n"
"1:	addq	$8, %rsp\n"
"	.cfi_remember_state\n"
"	.cfi_adjust_cfa_offset -8\n"
"	ret\n"
"	.cfi_restore_state\n"
"ash_cxx_landing:\n"
"	endbr64\n"
"	movq	%rax, %rdi\n"
"	call	ash_cxx_caught\n"
"	xorl	%eax, %eax\n"
"	jmp	1b\n"
"	.cfi_endproc\n"
"	.size	ash_cxx_guard, . - ash_cxx_guard\n"
);
#elif defined(__aarch64__)
__asm__(
"	.text\n"
"	.type	ash_cxx_guard, %function\n"
"	.globl	ash_cxx_guard\n"
"	.hidden	ash_cxx_guard\n"
"	.globl	ash_cxx_landing\n"
"	.hidden	ash_cxx_landing\n"
"ash_cxx_guard:\n"
"	.cfi_startproc\n"
"	.cfi_personality 0x1b, ash_cxx_personality\n"
"	stp	x29, x30, [sp, #-16]!\n"
"	.cfi_def_cfa_offset 16\n"
"	.cfi_offset 29, -16\n"
"	.cfi_offset 30, -8\n"
"	mov	x29, sp\n"
"	mov	x9, x0\n"
"	mov	x0, x1\n"
"	mov	x1, x2\n"
"	blr	x9\n"
"1:	ldp	x29, x30, [sp], #16\n"
"	.cfi_remember_state\n"
"	.cfi_restore 29\n"
"	.cfi_restore 30\n"
"	.cfi_def_cfa_offset 0\n"
"	ret\n"
"	.cfi_restore_state\n"
"ash_cxx_landing:\n"
"	bl	ash_cxx_caught\n"
"	mov	x0, xzr\n"
"	b	1b\n"
"	.cfi_endproc\n"
"	.size	ash_cxx_guard, . - ash_cxx_guard\n"
);
#else
#error "ash_cxx_guard() is not written for this architecture"
#endif

__attribute__((used, visibility("hidden")))
_Unwind_Reason_Code ash_cxx_personality(int version, _Unwind_Action actions,
					_Unwind_Exception_Class class,
					struct _Unwind_Exception *exception,
					struct _Unwind_Context *context)
{
	(void)class;
	if (version != 1 || (actions & _UA_FORCE_UNWIND))
		return _URC_CONTINUE_UNWIND;
	if (actions & _UA_SEARCH_PHASE)
		return _URC_HANDLER_FOUND;
	_Unwind_SetGR(context, __builtin_eh_return_data_regno(0), (_Unwind_Ptr)exception);
	_Unwind_SetIP(context, (_Unwind_Ptr)ash_cxx_landing);
	return _URC_INSTALL_CONTEXT;
}

__attribute__((used, visibility("hidden")))
void ash_cxx_caught(void *exception)
{
	__cxa_begin_catch(exception);
	__cxa_end_catch();
}

/* Can ash_cxx_guard() catch what is thrown in this process? */
static bool can_catch(void)
{
	return _Unwind_SetGR && _Unwind_SetIP && __cxa_begin_catch && __cxa_end_catch;
}

/* --- new --------------------------------------------------------------------------------- */

static noinline void *slow_new(size_t size)
{
	void *p = slow_malloc(size);

	return likely(p) ? p : new_slow(size, 0);
}

static noinline void *mid_new(size_t size, struct tcache *t)
{
	void *p = mid_malloc(size, t);

	return likely(p) ? p : new_slow(size, 0);
}

static void *cxx_new(size_t size)
{
	return fast_alloc(size, mid_new, slow_new);
}

static void *cxx_new_aligned(size_t size, size_t align)
{
	void *p = allocate(size, max(align, (size_t)1));

	return likely(p) ? p : new_slow(size, align);
}

OPERATOR_IS(cxx_new) void *_Znwm(size_t size);
OPERATOR_IS(cxx_new_aligned) void *_ZnwmSt11align_val_t(size_t size, size_t align);

static void *cxx_new_array(size_t size)
{
	if (REPLACED(_Znwm, cxx_new))
		return _Znwm(size);
	return fast_alloc(size, mid_new, slow_new);
}

static void *cxx_new_array_aligned(size_t size, size_t align)
{
	if (REPLACED(_ZnwmSt11align_val_t, cxx_new_aligned))
		return _ZnwmSt11align_val_t(size, align);
	return cxx_new_aligned(size, align);
}

OPERATOR_IS(cxx_new_array) void *_Znam(size_t size);
OPERATOR_IS(cxx_new_array_aligned) void *_ZnamSt11align_val_t(size_t size, size_t align);

/* The throwing forms as they are now, ours or not. */
static void *any_new(size_t size, size_t align)
{
	return align ? _ZnwmSt11align_val_t(size, align) : _Znwm(size);
}

static void *any_new_array(size_t size, size_t align)
{
	return align ? _ZnamSt11align_val_t(size, align) : _Znam(size);
}

/* Through the throwing form: it is not ours, or memory is short and a handler may help. */
static noinline void *new_nothrow_slow(void *(*fn)(size_t, size_t), size_t size, size_t align,
				       bool replaced)
{
	if (!replaced && !new_handler())
		return NULL;
	return can_catch() ? ash_cxx_guard(fn, size, align) : fn(size, align);
}

OPERATOR void *_ZnwmRKSt9nothrow_t(size_t size, nothrow_ref nothrow)
{
	bool replaced = REPLACED(_Znwm, cxx_new);
	void *p = replaced ? NULL : fast_malloc(size);

	(void)nothrow;
	return likely(p) ? p : new_nothrow_slow(any_new, size, 0, replaced);
}

OPERATOR void *_ZnamRKSt9nothrow_t(size_t size, nothrow_ref nothrow)
{
	bool replaced = REPLACED(_Znam, cxx_new_array) || REPLACED(_Znwm, cxx_new);
	void *p = replaced ? NULL : fast_malloc(size);

	(void)nothrow;
	return likely(p) ? p : new_nothrow_slow(any_new_array, size, 0, replaced);
}

OPERATOR void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, nothrow_ref nothrow)
{
	bool replaced = REPLACED(_ZnwmSt11align_val_t, cxx_new_aligned);
	void *p = replaced ? NULL : allocate(size, max(align, (size_t)1));

	(void)nothrow;
	return likely(p) ? p : new_nothrow_slow(any_new, size, align, replaced);
}

OPERATOR void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t align, nothrow_ref nothrow)
{
	bool replaced = REPLACED(_ZnamSt11align_val_t, cxx_new_array_aligned) ||
			REPLACED(_ZnwmSt11align_val_t, cxx_new_aligned);
	void *p = replaced ? NULL : allocate(size, max(align, (size_t)1));

	(void)nothrow;
	return likely(p) ? p : new_nothrow_slow(any_new_array, size, align, replaced);
}

/* --- new that says what it gave --------------------------------------------------------- */

/*
 * The proposal of C++'s committee as tcmalloc and LLVM's libc++ have it: the block and
 * its usable bytes, all of which are the caller's; it is freed by operator delete with
 * either size. hot or cold is advice, which is not taken. A program that replaced the
 * plain operators gets its own, with the size it asked for.
 */
struct sized_ptr {
	void *p;
	size_t n;
};

OPERATOR struct sized_ptr __size_returning_new(size_t size)
{
	void *p = _Znwm(size);

	return (struct sized_ptr){ p, REPLACED(_Znwm, cxx_new) ? size : ashlar_malloc_usable_size(p) };
}

OPERATOR struct sized_ptr __size_returning_new_aligned(size_t size, size_t align)
{
	void *p = _ZnwmSt11align_val_t(size, align);

	return (struct sized_ptr){ p, REPLACED(_ZnwmSt11align_val_t, cxx_new_aligned) ? size :
				   ashlar_malloc_usable_size(p) };
}

OPERATOR struct sized_ptr __size_returning_new_hot_cold(size_t size, uint8_t hot_cold)
{
	(void)hot_cold;
	return __size_returning_new(size);
}

OPERATOR struct sized_ptr __size_returning_new_aligned_hot_cold(size_t size, size_t align,
								uint8_t hot_cold)
{
	(void)hot_cold;
	return __size_returning_new_aligned(size, align);
}

/* --- delete -------------------------------------------------------------------------------- */

/*
 * A block deleted twice in a row is found when its stack is flushed, and at once
 * only when debugging: here, and here alone, two instructions are the difference
 * between 39 and 41 for a pair.
 */
static void cxx_delete(void *p)
{
	fast_free_looking(p, ASHLAR_DEBUG);
}

static void cxx_delete_aligned(void *p, size_t align)
{
	(void)align;
	fast_free(p);
}

OPERATOR_IS(cxx_delete) __attribute__((noplt)) void _ZdlPv(void *p);
OPERATOR_IS(cxx_delete_aligned) void _ZdlPvSt11align_val_t(void *p, size_t align);

static void cxx_delete_array(void *p)
{
	if (REPLACED(_ZdlPv, cxx_delete))
		_ZdlPv(p);
	else
		fast_free(p);
}

static void cxx_delete_array_aligned(void *p, size_t align)
{
	if (REPLACED(_ZdlPvSt11align_val_t, cxx_delete_aligned))
		_ZdlPvSt11align_val_t(p, align);
	else
		fast_free(p);
}

OPERATOR_IS(cxx_delete_array) void _ZdaPv(void *p);
OPERATOR_IS(cxx_delete_array_aligned) void _ZdaPvSt11align_val_t(void *p, size_t align);

/*
 * The page knows the class better than the size does, so the sized forms are the
 * others, ours or not, by one jump. A wrong size is looked for when debugging.
 */
OPERATOR void _ZdlPvm(void *p, size_t size)
{
	if (ASHLAR_DEBUG && !REPLACED(_ZdlPv, cxx_delete))
		slow_free_sized("operator delete", p, 1, size);
	else
		_ZdlPv(p);
}

OPERATOR void _ZdaPvm(void *p, size_t size)
{
	if (ASHLAR_DEBUG && !REPLACED(_ZdaPv, cxx_delete_array) && !REPLACED(_ZdlPv, cxx_delete))
		slow_free_sized("operator delete", p, 1, size);
	else
		_ZdaPv(p);
}

OPERATOR void _ZdlPvRKSt9nothrow_t(void *p, nothrow_ref nothrow)
{
	(void)nothrow;
	_ZdlPv(p);
}

OPERATOR void _ZdaPvRKSt9nothrow_t(void *p, nothrow_ref nothrow)
{
	(void)nothrow;
	_ZdaPv(p);
}

OPERATOR void _ZdlPvmSt11align_val_t(void *p, size_t size, size_t align)
{
	if (ASHLAR_DEBUG && !REPLACED(_ZdlPvSt11align_val_t, cxx_delete_aligned))
		slow_free_sized("operator delete", p, align, size);
	else
		_ZdlPvSt11align_val_t(p, align);
}

OPERATOR void _ZdaPvmSt11align_val_t(void *p, size_t size, size_t align)
{
	if (ASHLAR_DEBUG && !REPLACED(_ZdaPvSt11align_val_t, cxx_delete_array_aligned) &&
	    !REPLACED(_ZdlPvSt11align_val_t, cxx_delete_aligned))
		slow_free_sized("operator delete", p, align, size);
	else
		_ZdaPvSt11align_val_t(p, align);
}

OPERATOR void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, nothrow_ref nothrow)
{
	(void)nothrow;
	_ZdlPvSt11align_val_t(p, align);
}

OPERATOR void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *p, size_t align, nothrow_ref nothrow)
{
	(void)nothrow;
	_ZdaPvSt11align_val_t(p, align);
}
