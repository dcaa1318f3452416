// SPDX-License-Identifier: MIT
// dlopen and dlclose of a C++ library, over and over, while threads live that have thread_local objects
// of it: they are destroyed when those threads end, after the dlclose. What the library
// made is freed when it is gone. Usage: dlopen_cxx LIBRARY
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>

#include "check.h"

namespace {

using note_t = std::string *(*)(int);

note_t find(void *handle)
{
	CHECK(handle, "%s", dlerror());
	auto note = reinterpret_cast<note_t>(dlsym(handle, "library_note"));
	CHECK(note);
	return note;
}

// One opens it for all and closes it before any of them ends.
void alive_at_dlclose(const char *path)
{
	constexpr int n = 8;
	std::atomic<int> noted{0}, closed{0};
	std::vector<std::thread> threads;
	std::vector<std::string *> left(n);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	note_t note = find(handle);

	for (int i = 0; i < n; i++)
		threads.emplace_back([&, i] {
			for (int k = 0; k < 50; k++)
				delete note(i * 100 + k);
			left[size_t(i)] = note(i);
			noted++;
			while (!closed)
				std::this_thread::yield();
			// The library is closed; its objects of this thread are not gone yet.
			exercise(unsigned(i), 1);
		});
	while (noted < n)
		std::this_thread::yield();
	dlclose(handle);
	closed = 1;
	for (auto &t : threads)
		t.join();
	for (auto *s : left) {
		CHECK(!s->empty());
		delete s;
	}
}

// Each opens and closes it for itself, all at once.
void by_itself(const char *path)
{
	std::vector<std::thread> threads;

	for (int i = 0; i < 4; i++)
		threads.emplace_back([path, i] {
			for (int k = 0; k < 40; k++) {
				void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
				std::string *s = find(handle)(i * 1000 + k);

				dlclose(handle);
				CHECK(!s->empty());
				delete s;
			}
		});
	for (auto &t : threads)
		t.join();
}

} // namespace

int main(int argc, char **argv)
{
	guard(120);
	CHECK(argc == 2, "usage: dlopen_cxx LIBRARY");
	for (int i = 0; i < 30; i++)
		alive_at_dlclose(argv[1]);
	for (int i = 0; i < 5; i++)
		by_itself(argv[1]);
	// And is it really gone in the end? Objects of threads held it until the next dlclose.
	dlclose(dlopen(argv[1], RTLD_NOW | RTLD_LOCAL));
	CHECK(!dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD), "the library is still there");
	return 0;
}
