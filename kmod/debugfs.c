// SPDX-License-Identifier: GPL-2.0
/* What only root may know: who holds how much. */
#include <linux/cred.h>
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include "debugfs.h"
#include "limit.h"

static struct dentry *directory;

static void user_show(void *file, kuid_t uid, long files, long pages)
{
	seq_printf(file, "%u %ld %ld\n",
		   from_kuid_munged(seq_user_ns(file), uid), files, pages);
}

static int users_show(struct seq_file *file, void *unused)
{
	ashlar_users_each(user_show, file);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(users);

void ashlar_debugfs_init(void)
{
	directory = debugfs_create_dir("ashlar", NULL);
	debugfs_create_file("users", 0400, directory, NULL, &users_fops);
}

void ashlar_debugfs_exit(void)
{
	debugfs_remove(directory);
}
