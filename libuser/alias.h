/* SPDX-License-Identifier: MIT */
/*
 * Other allocators' names for our functions. The build compiles each file
 * twice: with ASHLAR_OVERRIDE=1 for libashlar, whose malloc is malloc, and with
 * 0 for libashlar-prefixed, which exports ashlar_* alone.
 *
 * An alias is a second name for the same code: it costs no jump.
 */
#ifndef ASHLAR_ALIAS_H
#define ASHLAR_ALIAS_H

#ifndef ASHLAR_OVERRIDE
#define ASHLAR_OVERRIDE 0
#endif

#if ASHLAR_OVERRIDE
#define ALIAS(type, name, args, target)					\
	__attribute__((visibility("default"), alias(#target), copy(target)))\
	type name args
#else
/* Still an error if the target does not exist. */
#define ALIAS(type, name, args, target)					\
	_Static_assert(sizeof(&target), "target of " #name)
#endif

#endif /* ASHLAR_ALIAS_H */
