// SPDX-License-Identifier: MIT
// C++: thread_local objects with destructors, exceptions, new and delete in all forms, containers
// that grow in one thread and are destroyed in another.
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace {

struct Holder {
	std::vector<std::string> words;
	~Holder() {
		words.push_back(std::string(300, 'x'));
		for (auto &w : words)
			CHECK(!w.empty());
	}
};

thread_local Holder holder;
thread_local std::unique_ptr<std::map<int, std::string>> table;

struct alignas(256) Wide {
	char bytes[512];
};

void work(int seed)
{
	for (int i = 0; i < 200; i++)
		holder.words.push_back(std::string(size_t(seed * 31 + i) % 400 + 1, 'a'));
	table = std::make_unique<std::map<int, std::string>>();
	for (int i = 0; i < 200; i++)
		(*table)[i] = std::to_string(i) + std::string(50, 'b');
	exercise(unsigned(seed), 2);
}

void forms()
{
	auto *w = new Wide[3];
	CHECK(reinterpret_cast<uintptr_t>(w) % 256 == 0);
	delete[] w;
	int *n = new (std::nothrow) int[1000];
	CHECK(n);
	delete[] n;
	bool thrown = false;
	try {
		volatile size_t much = size_t(1) << 62;
		::operator delete(::operator new(much));
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	CHECK(thrown, "new of 2^62 bytes did not throw");
	volatile size_t much = size_t(1) << 62;
	CHECK(!::operator new(much, std::nothrow));
	void *p = ::operator new(100);
	::operator delete(p, size_t(100));
	p = ::operator new(100, std::align_val_t(64));
	CHECK(reinterpret_cast<uintptr_t>(p) % 64 == 0);
	::operator delete(p, size_t(100), std::align_val_t(64));
}

} // namespace

int main()
{
	guard(60);
	forms();
	for (int r = 0; r < 20; r++) {
		std::vector<std::thread> threads;
		for (int i = 0; i < 8; i++)
			threads.emplace_back(work, r * 8 + i);
		for (auto &t : threads)
			t.join();
	}
	auto moved = std::make_unique<std::vector<std::string>>();
	std::thread([&] { for (int i = 0; i < 1000; i++) moved->push_back(std::string(100, 'm')); }).join();
	moved.reset();
	work(1);
	return 0;
}
