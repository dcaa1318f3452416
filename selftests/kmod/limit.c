// SPDX-License-Identifier: MIT
/*
 * Limits of the module's own: in all, and for what one user opened. Nobody gets
 * around the latter by forking, passing the file on, unmapping, or by keeping
 * extents in small pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "harness.h"
#include "common.h"

#define PARAMETER(name) "/sys/module/ashlar/parameters/" name
#define ALICE 65533
#define BOB 65534
#define LIMIT 4
#define PAGES (EXTENT / PAGE)

FIXTURE(limit) { mode_t mode; };

FIXTURE_SETUP(limit)
{
	struct stat st;

	ASSERT_EQ(0, stat(DEVICE, &st));
	self->mode = st.st_mode & 07777;
	ASSERT_EQ(0, chmod(DEVICE, 0666));
	ASSERT_TRUE(file_write(PARAMETER("max_extents_per_user"), "4"));
}

FIXTURE_TEARDOWN(limit)
{
	chmod(DEVICE, self->mode);
	file_write(PARAMETER("max_extents_per_user"), "0");
	file_write(PARAMETER("max_extents"), "0");
}

/* The device as this user opens it. */
static int open_as(uid_t uid)
{
	int fd;

	setfsuid(uid);
	fd = dev_open();
	setfsuid(0);
	return fd;
}

TEST_F(limit, of_each_user)
{
	int alice = open_as(ALICE), again = open_as(ALICE), bob = open_as(BOB);
	char *p = dev_map(alice, 8), *q = dev_map(again, 8), *r = dev_map(bob, 8);
	size_t done;

	ASSERT_TRUE(p && q && r);
	EXPECT_EQ(0, dev_alloc_on(alice, p, 3, 0, 0, &done));
	EXPECT_EQ(3, done);
	EXPECT_EQ(0, dev_alloc_on(again, q, 8, 0, 0, &done));
	EXPECT_EQ(1, done);
	EXPECT_EQ(-ENOMEM, dev_alloc(again, q + EXTENT, 1));
	EXPECT_EQ(0, dev_alloc(bob, r, LIMIT));
	/* What is given back, by whatever way, may be had again. */
	EXPECT_EQ(0, dev_free(alice, p, 1, NULL));
	EXPECT_EQ(0, dev_alloc(again, q + EXTENT, 1));
	EXPECT_EQ(0, munmap(q, 8 * EXTENT));
	EXPECT_EQ(0, dev_alloc(alice, p, 1));
	EXPECT_EQ(0, dev_alloc(alice, p + 3 * EXTENT, 1));
	EXPECT_EQ(-ENOMEM, dev_alloc(alice, p + 4 * EXTENT, 1));
	/* A new limit holds at once. */
	ASSERT_TRUE(file_write(PARAMETER("max_extents_per_user"), "5"));
	EXPECT_EQ(0, dev_alloc(alice, p + 4 * EXTENT, 1));
	EXPECT_EQ(-ENOMEM, dev_alloc(alice, p + 5 * EXTENT, 1));
	close(alice);
	close(again);
	close(bob);
}

struct heir { int fd; };

/* With the file of another, and as another. */
static int inherit(void *arg)
{
	struct heir *heir = arg;
	char *p;

	setfsuid(BOB);
	p = dev_map_at(heir->fd, NULL, 8, 100);
	return p && dev_alloc(heir->fd, p, 1) == -ENOMEM ? 0 : 1;
}

TEST_F(limit, counts_for_who_opened)
{
	struct heir heir = { open_as(ALICE) };
	char *p = dev_map(heir.fd, LIMIT);

	ASSERT_EQ(0, dev_alloc(heir.fd, p, LIMIT));
	EXPECT_EQ(0, in_child(inherit, &heir));
	EXPECT_EQ(0, dev_free(heir.fd, p, LIMIT, NULL));
	EXPECT_NE(0, in_child(inherit, &heir));
	close(heir.fd);
}

static bool writable(void *p)
{
	return !write_is_sigbus(p);
}

TEST_F(limit, counts_copies_of_snapshots)
{
	int fd = open_as(ALICE);
	char *p = dev_map(fd, 3);
	struct turn turn;
	pid_t child;

	ASSERT_EQ(0, dev_alloc(fd, p, 3));
	memset(p, 1, 3 * EXTENT);
	turn_init(&turn);
	child = fork();
	if (!child) {
		turn_wait(&turn);
		_exit(!bytes_are(p, 1, 3 * EXTENT));
	}
	/* One extent's worth of copies is what is left. */
	for (size_t i = 0; i < PAGES; i++)
		p[i * PAGE] = 2;
	EXPECT_TRUE(write_is_sigbus(p + EXTENT));
	turn_give(&turn);
	EXPECT_EQ(0, child_status(child));
	EXPECT_TRUE(eventually((bool (*)(void *))writable, p + EXTENT, 60));
	close(fd);
}

TEST_F(limit, counts_small_pages)
{
	int fd = open_as(ALICE);
	char *p = dev_map(fd, LIMIT + 1);

	ASSERT_EQ(0, dev_alloc(fd, p, LIMIT));
	/* Works at the limit, for it gives back; but it makes no room for an extent. */
	for (size_t i = 0; i < LIMIT; i++)
		EXPECT_EQ(0, dev_punch(fd, p + i * EXTENT, 1, NULL));
	EXPECT_EQ(-ENOMEM, dev_alloc(fd, p + LIMIT * EXTENT, 1));
	EXPECT_EQ(0, dev_free(fd, p, 1, NULL));
	EXPECT_EQ(0, dev_alloc(fd, p, 1));
	close(fd);
}

TEST_F(limit, of_all)
{
	/* Those with a memory error count for no limit. */
	long out = nodes_sum("out") + nodes_sum("quarantined") -
		   nodes_sum("poisoned");
	int alice = open_as(ALICE), bob = open_as(BOB);
	char *p = dev_map(alice, LIMIT), *q = dev_map(bob, LIMIT), limit[32];
	struct ashlar_info info = { .size = sizeof(info) };
	size_t done;

	snprintf(limit, sizeof(limit), "%ld", out + LIMIT + 1);
	ASSERT_TRUE(file_write(PARAMETER("max_extents"), limit));
	EXPECT_EQ(0, dev_call(bob, ASHLAR_IOC_INFO, &info));
	EXPECT_EQ(out + LIMIT + 1, info.max_extents);
	EXPECT_EQ(0, dev_alloc(alice, p, LIMIT));
	EXPECT_EQ(0, dev_alloc_on(bob, q, LIMIT, 0, 0, &done));
	EXPECT_EQ(1, done);
	EXPECT_EQ(0, dev_free(alice, p, 1, NULL));
	EXPECT_EQ(0, dev_alloc(bob, q + EXTENT, 1));
	close(alice);
	close(bob);
}

/* What root is told of a user; false if he is not in the list. */
static bool user_told(uid_t uid, long *files, long *pages)
{
	FILE *file = fopen("/sys/kernel/debug/ashlar/users", "r");
	bool found = false;
	unsigned int who;
	long f, p;

	while (file && fscanf(file, "%u %ld %ld", &who, &f, &p) == 3)
		if (who == uid) {
			found = true;
			*files = f;
			*pages = p;
		}
	if (file)
		fclose(file);
	return found;
}

static bool forgotten(void *uid)
{
	long files, pages;

	return !user_told(*(uid_t *)uid, &files, &pages);
}

TEST_F(limit, told_to_root)
{
	uid_t who[] = { ALICE, BOB };
	int alice, again, bob;
	long files, pages;
	struct stat st;
	char *p, *q;

	if (stat("/sys/kernel/debug/ashlar/users", &st))
		SKIP(return, "no debugfs at /sys/kernel/debug");
	EXPECT_EQ(0400, st.st_mode & 07777);
	EXPECT_TRUE(eventually(forgotten, &who[0], 20));
	EXPECT_TRUE(eventually(forgotten, &who[1], 20));
	alice = open_as(ALICE);
	again = open_as(ALICE);
	bob = open_as(BOB);
	p = dev_map(alice, LIMIT);
	q = dev_map(bob, LIMIT);
	ASSERT_TRUE(user_told(BOB, &files, &pages));
	EXPECT_EQ(1, files);
	EXPECT_EQ(0, pages);
	EXPECT_EQ(0, dev_alloc(alice, p, 3));
	EXPECT_EQ(0, dev_alloc(bob, q, 1));
	ASSERT_TRUE(user_told(ALICE, &files, &pages));
	EXPECT_EQ(2, files);
	EXPECT_EQ(3 * PAGES, pages);
	/* One page less: the others of its extent are small ones. */
	EXPECT_EQ(0, dev_punch(alice, p, 1, NULL));
	ASSERT_TRUE(user_told(ALICE, &files, &pages));
	EXPECT_EQ(3 * PAGES - 1, pages);
	close(again);
	ASSERT_TRUE(user_told(ALICE, &files, &pages));
	EXPECT_EQ(1, files);
	ASSERT_TRUE(user_told(BOB, &files, &pages));
	EXPECT_EQ(PAGES, pages);
	/* A mapping is an open file. */
	close(alice);
	ASSERT_TRUE(user_told(ALICE, &files, &pages));
	EXPECT_EQ(1, files);
	EXPECT_EQ(0, munmap(p, LIMIT * EXTENT));
	EXPECT_TRUE(eventually(forgotten, &who[0], 20));
	EXPECT_EQ(0, munmap(q, LIMIT * EXTENT));
	close(bob);
	EXPECT_TRUE(eventually(forgotten, &who[1], 20));
}

TEST_HARNESS_MAIN
