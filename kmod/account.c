// SPDX-License-Identifier: GPL-2.0
/* The hidden inodes, and the charge that their page cache brings. */
#include <linux/memcontrol.h>
#include <linux/mount.h>
#include <linux/pagemap.h>
#include <linux/pseudo_fs.h>
#include "account.h"
#include "compat.h"

#define ASHLAR_FS_MAGIC	0x4153484c	/* "ASHL" */

static struct vfsmount *ashlar_mount;
static int ashlar_mount_count;

static int ashlar_fs_init(struct fs_context *fc)
{
	return init_pseudo(fc, ASHLAR_FS_MAGIC) ? 0 : -ENOMEM;
}

/*
 * Mounted while a file is open and not from load to unload: a mount holds a
 * reference on the module, which could then never be unloaded.
 */
static struct file_system_type ashlar_fs = {
	.name			= "ashlar",
	.owner			= THIS_MODULE,
	.init_fs_context	= ashlar_fs_init,
	.kill_sb		= kill_anon_super,
};

struct inode *ashlar_inode_get(void)
{
	struct inode *inode;
	int err;

	err = simple_pin_fs(&ashlar_fs, &ashlar_mount, &ashlar_mount_count);
	if (err)
		return ERR_PTR(err);
	inode = alloc_anon_inode(ashlar_mount->mnt_sb);
	if (IS_ERR(inode)) {
		simple_release_fs(&ashlar_mount, &ashlar_mount_count);
		return inode;
	}
	/* finish_fault() maps by PMD only what lies inside the file. */
	i_size_write(inode, MAX_LFS_FILESIZE);
	return inode;
}

void ashlar_inode_put(struct inode *inode)
{
	iput(inode);
	simple_release_fs(&ashlar_mount, &ashlar_mount_count);
}

static int account_migrate(struct address_space *mapping, struct folio *dst,
			   struct folio *src, enum migrate_mode mode)
{
	return -EBUSY;
}

static const struct address_space_operations account_aops = {
	.dirty_folio	= noop_dirty_folio,
	.migrate_folio	= account_migrate,
};

void ashlar_inode_account(struct inode *inode, struct ashlar_user *user)
{
	inode->i_private = user;
	/* Single folios can be removed from regular files alone. */
	inode->i_mode |= S_IFREG;
	inode->i_mapping->a_ops = &account_aops;
	mapping_set_unevictable(inode->i_mapping);
	mapping_set_large_folios(inode->i_mapping);
}

int ashlar_charge(struct inode *inode, struct page *page,
		  enum ashlar_effort effort)
{
	gfp_t gfp = GFP_KERNEL | __GFP_NOWARN;
	struct folio *folio = page_folio(page);
	int err;

	/* Both end in an error instead of the OOM killer. */
	gfp |= effort == ASHLAR_HARD ? __GFP_RETRY_MAYFAIL : __GFP_NORETRY;
	err = filemap_add_folio(inode->i_mapping, folio, folio_pfn(folio), gfp);
	if (err)
		return -ENOMEM;
	folio_unlock(folio);
	return 0;
}

void ashlar_uncharge_locked(struct inode *inode, struct page *page)
{
	struct folio *folio = page_folio(page);

	ashlar_remove_folio(inode->i_mapping, folio);
	folio_unlock(folio);
}

void ashlar_uncharge(struct inode *inode, struct page *page)
{
	folio_lock(page_folio(page));
	ashlar_uncharge_locked(inode, page);
}
