// SPDX-License-Identifier: MIT
// The C++ library that dlopen_cxx.cc opens: objects of the library, objects of each thread with
// destructors that allocate, exceptions, and containers handed out to whoever called.
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// Destroyed when the thread ends or, for the one that unloads, at dlclose.
struct Diary {
	std::vector<std::string> lines;
	std::unique_ptr<std::map<int, std::string>> index = std::make_unique<std::map<int, std::string>>();
	void write(int n)
	{
		lines.push_back(std::string(size_t(n) % 700 + 1, 'd'));
		(*index)[n] = lines.back();
	}
	~Diary()
	{
		write(int(lines.size()));
		for (auto &pair : *index)
			if (pair.second.empty() || pair.second[0] != 'd')
				__builtin_trap();
	}
};

thread_local Diary diary;

// Made at dlopen, destroyed at dlclose.
struct Shelf {
	std::map<std::string, std::string> books;
	Shelf() { for (int i = 0; i < 100; i++) books[std::to_string(i)] = std::string(size_t(i) * 9, 'b'); }
	~Shelf() { books["last"] = std::string(5000, 'l'); }
} shelf;

} // namespace

extern "C" std::string *library_note(int n)
{
	diary.write(n);
	try {
		if (n % 3 == 0)
			throw std::runtime_error(std::string(size_t(n) % 300, 'e'));
	} catch (const std::exception &e) {
		diary.write(int(std::string(e.what()).size()));
	}
	return new std::string(shelf.books.at(std::to_string(n % 100)) + diary.lines.back());
}
