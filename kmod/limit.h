/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much may be in use: by all processes together, and by each user, for
 * hosts without memory cgroups. A user is the owner of the process that opened
 * the device; what is held through that open file counts for him, whoever
 * inherits it, is passed it, or maps it where.
 *
 * Counted in pages of 4 KB, so that the small pages of snapshots and of punched
 * extents count too: an extent is ASHLAR_PAGES of them. Limits are extents.
 */
#ifndef ASHLAR_LIMIT_H
#define ASHLAR_LIMIT_H

#include <linux/uidgid.h>

struct ashlar_user;

/* Module parameter: the most extents in use at once, 0 for no limit. */
unsigned long ashlar_max_extents(void);

/* One open file more of this user; NULL: no memory. May sleep. */
struct ashlar_user *ashlar_user_get(kuid_t uid);
/* One less. The user is forgotten with the last of its pages. May sleep. */
void ashlar_user_put(struct ashlar_user *user);

/**
 * ashlar_limit_take() - before pages are taken for a user
 * @user: who has an open file, or pages
 * @nr: pages of 4 KB
 * @over: take them though a limit is reached, because more is given back soon
 *
 * Return: true, or false at a limit.
 */
bool ashlar_limit_take(struct ashlar_user *user, unsigned long nr, bool over);
/*
 * After they were given back. Sleeps only for the last page of a user without
 * open files; so not where the file is known to be open.
 */
void ashlar_limit_give(struct ashlar_user *user, unsigned long nr);

/*
 * For each user: how many files he has open, and pages of 4 KB. @show is called
 * under the lock of their list, and may sleep. May sleep.
 */
void ashlar_users_each(void (*show)(void *arg, kuid_t uid, long files,
				    long pages), void *arg);

#endif /* ASHLAR_LIMIT_H */
