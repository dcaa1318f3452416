// SPDX-License-Identifier: GPL-2.0
/* The module's own limits, and who is near them. Knows nobody above. */
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include "limit.h"
#include "pool.h"

/*
 * Both are read each time: a new value holds from the next request on and takes
 * nothing away from anybody.
 */
static unsigned long max_extents;
module_param(max_extents, ulong, 0644);
MODULE_PARM_DESC(max_extents, "most extents of 2 MB in use by all processes together; 0, the default: no limit");

static unsigned long max_extents_per_user;
module_param(max_extents_per_user, ulong, 0644);
MODULE_PARM_DESC(max_extents_per_user, "most extents of 2 MB in use through files that one user opened; 0, the default: no limit");

/**
 * struct ashlar_user - who opened the device
 * @link: in the list of users. Guarded by users_lock.
 * @uid: of the file's opener. Constant.
 * @files: open ones. Guarded by users_lock; read without it for a limit.
 * @held: @files + pages. From 0 to more, and from 1 to 0, under users_lock.
 */
struct ashlar_user {
	struct list_head link;
	kuid_t uid;
	long files;
	atomic_long_t held;
};

static LIST_HEAD(users);
static DEFINE_MUTEX(users_lock);

/* Pages in use or in quarantine. */
static atomic_long_t pages_held;

unsigned long ashlar_max_extents(void)
{
	return READ_ONCE(max_extents);
}

static struct ashlar_user *user_find(kuid_t uid)
{
	struct ashlar_user *user;

	lockdep_assert_held(&users_lock);
	list_for_each_entry(user, &users, link)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

struct ashlar_user *ashlar_user_get(kuid_t uid)
{
	struct ashlar_user *spare, *user;

	/* Before the lock: memory may be reclaimed from who has to take it. */
	spare = kzalloc(sizeof(*spare), ashlar_gfp_small(ASHLAR_HARD));
	mutex_lock(&users_lock);
	user = user_find(uid);
	if (!user && spare) {
		user = spare;
		spare = NULL;
		user->uid = uid;
		list_add(&user->link, &users);
	}
	if (user) {
		WRITE_ONCE(user->files, user->files + 1);
		atomic_long_inc(&user->held);
	}
	mutex_unlock(&users_lock);
	kfree(spare);
	return user;
}

/* The last one frees the user, and only under the lock: nobody finds it then. */
static void user_drop(struct ashlar_user *user, long nr)
{
	lockdep_assert_held(&users_lock);
	if (!atomic_long_sub_and_test(nr, &user->held))
		return;
	list_del(&user->link);
	kfree(user);
}

void ashlar_user_put(struct ashlar_user *user)
{
	mutex_lock(&users_lock);
	WRITE_ONCE(user->files, user->files - 1);
	user_drop(user, 1);
	mutex_unlock(&users_lock);
}

static bool above(long held, unsigned long extents)
{
	/* Divided, not multiplied: any number may be a limit. */
	return extents && held > 0 &&
	       DIV_ROUND_UP((unsigned long)held, ASHLAR_PAGES) > extents;
}

bool ashlar_limit_take(struct ashlar_user *user, unsigned long nr, bool over)
{
	long all = atomic_long_add_return(nr, &pages_held);
	long his = atomic_long_add_return(nr, &user->held);
	unsigned long most = READ_ONCE(max_extents);
	unsigned long each = READ_ONCE(max_extents_per_user);

	if (likely(!(most | each)) || over)
		return true;
	if (!above(all, most) && !above(his - READ_ONCE(user->files), each))
		return true;
	ashlar_limit_give(user, nr);
	return false;
}

void ashlar_limit_give(struct ashlar_user *user, unsigned long nr)
{
	long held = atomic_long_read(&user->held);

	atomic_long_sub(nr, &pages_held);
	while (held > (long)nr)
		if (atomic_long_try_cmpxchg(&user->held, &held, held - nr))
			return;
	mutex_lock(&users_lock);
	user_drop(user, nr);
	mutex_unlock(&users_lock);
}

void ashlar_users_each(void (*show)(void *arg, kuid_t uid, long files,
				    long pages), void *arg)
{
	struct ashlar_user *user;

	mutex_lock(&users_lock);
	list_for_each_entry(user, &users, link)
		show(arg, user->uid, user->files,
		     atomic_long_read(&user->held) - user->files);
	mutex_unlock(&users_lock);
}
