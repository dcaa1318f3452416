// SPDX-License-Identifier: MIT
#include "sizeclass.h"

/*
 * Pages of a slab: the fewest whose tail wastes at most 1/64, and the most
 * multiples of that with at most 8 pages and 512 slots; from 256 bytes on only as
 * many as hold 8 slots (4 from 1 KB on, 2 from 2 KB), because a slab is free memory when its last
 * slot is. The reciprocal makes
 * offset / size one multiplication: exact for offsets below 2^16, because
 * offset * (2^32 mod size) / 2^32 < 1 / size there.
 */
#define SMALL(c, bytes, least, most)					\
	[c] = {								\
		.size = (bytes), .reciprocal = (uint32_t)((1ull << 32) / (bytes) + 1), \
		.pages_min = (least), .pages_max = (most),		\
	}
#define LARGE(c, bytes)							\
	[c] = { .size = (bytes), .pages_min = (bytes) / PAGE_SIZE,	\
		.pages_max = (bytes) / PAGE_SIZE }

AT_HAND const struct sizeclass sizeclasses[NCLASSES] = {
	SMALL(1, 8, 1, 1),
	SMALL(2, 16, 1, 2),
	SMALL(3, 32, 1, 4),
	SMALL(4, 48, 1, 6),
	SMALL(5, 64, 1, 8),
	SMALL(6, 80, 1, 8),
	SMALL(7, 96, 1, 8),
	SMALL(8, 112, 1, 8),
	SMALL(9, 128, 1, 8),
	SMALL(10, 160, 2, 8),
	SMALL(11, 192, 1, 8),
	SMALL(12, 224, 1, 8),
	SMALL(13, 256, 1, 1),
	SMALL(14, 320, 3, 3),
	SMALL(15, 384, 2, 2),
	SMALL(16, 448, 1, 1),
	SMALL(17, 512, 1, 1),
	SMALL(18, 640, 3, 3),
	SMALL(19, 768, 3, 3),
	SMALL(20, 896, 2, 2),
	SMALL(21, 1024, 1, 1),
	SMALL(22, 1280, 5, 5),
	SMALL(23, 1536, 3, 3),
	SMALL(24, 1792, 4, 4),
	SMALL(25, 2048, 1, 1),
	SMALL(26, 2560, 5, 5),
	SMALL(27, 3072, 3, 3),
	SMALL(28, 3584, 7, 7),
	SMALL(29, 4096, 1, 2),
	SMALL(30, 5120, 5, 5),
	SMALL(31, 6144, 3, 3),
	SMALL(32, 7168, 7, 7),
	SMALL(33, 8192, 2, 4),
	SMALL(34, 10240, 5, 5),
	SMALL(35, 12288, 3, 6),
	SMALL(36, 14336, 7, 7),
	LARGE(37, 16384),
	LARGE(38, 20480),
	LARGE(39, 24576),
	LARGE(40, 28672),
	LARGE(41, 32768),
	LARGE(42, 40960),
	LARGE(43, 49152),
	LARGE(44, 57344),
	LARGE(45, 65536),
	LARGE(46, 81920),
	LARGE(47, 98304),
	LARGE(48, 114688),
	LARGE(49, 131072),
	LARGE(50, 163840),
	LARGE(51, 196608),
	LARGE(52, 229376),
	LARGE(53, 262144),
	LARGE(54, 327680),
	LARGE(55, 393216),
	LARGE(56, 458752),
	LARGE(57, 524288),
	LARGE(58, 655360),
	LARGE(59, 786432),
	LARGE(60, 917504),
	LARGE(61, 1048576),
	LARGE(62, 1310720),
	LARGE(63, 1572864),
	LARGE(64, 1835008),
};

AT_HAND const uint32_t sizeclass_bytes[NCLASSES] = {
	0, 8, 16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
	640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 5120, 6144,
	7168, 8192, 10240, 12288, 14336, 16384, 20480, 24576, 28672, 32768, 40960, 49152,
	57344, 65536, 81920, 98304, 114688, 131072, 163840, 196608, 229376, 262144,
	327680, 393216, 458752, 524288, 655360, 786432, 917504, 1048576, 1310720, 1572864,
	1835008,
};

/* (size + 7) / 8 to the class of a small size. */
AT_HAND const uint8_t sizeclass_of_words[SMALL_MAX / 8 + 1] = {
	[0 ... 1] = 1,
	[2] = 2,
	[3 ... 4] = 3,
	[5 ... 6] = 4,
	[7 ... 8] = 5,
	[9 ... 10] = 6,
	[11 ... 12] = 7,
	[13 ... 14] = 8,
	[15 ... 16] = 9,
	[17 ... 20] = 10,
	[21 ... 24] = 11,
	[25 ... 28] = 12,
	[29 ... 32] = 13,
	[33 ... 40] = 14,
	[41 ... 48] = 15,
	[49 ... 56] = 16,
	[57 ... 64] = 17,
	[65 ... 80] = 18,
	[81 ... 96] = 19,
	[97 ... 112] = 20,
	[113 ... 128] = 21,
	[129 ... 160] = 22,
	[161 ... 192] = 23,
	[193 ... 224] = 24,
	[225 ... 256] = 25,
	[257 ... 320] = 26,
	[321 ... 384] = 27,
	[385 ... 448] = 28,
	[449 ... 512] = 29,
	[513 ... 640] = 30,
	[641 ... 768] = 31,
	[769 ... 896] = 32,
	[897 ... 1024] = 33,
	[1025 ... 1280] = 34,
	[1281 ... 1536] = 35,
	[1537 ... 1792] = 36,
};

/* (size - 1) / PAGE_SIZE to the class of a large size. */
AT_HAND const uint8_t sizeclass_of_pages[LARGE_MAX / PAGE_SIZE] = {
	[0 ... 3] = 37,
	[4] = 38,
	[5] = 39,
	[6] = 40,
	[7] = 41,
	[8 ... 9] = 42,
	[10 ... 11] = 43,
	[12 ... 13] = 44,
	[14 ... 15] = 45,
	[16 ... 19] = 46,
	[20 ... 23] = 47,
	[24 ... 27] = 48,
	[28 ... 31] = 49,
	[32 ... 39] = 50,
	[40 ... 47] = 51,
	[48 ... 55] = 52,
	[56 ... 63] = 53,
	[64 ... 79] = 54,
	[80 ... 95] = 55,
	[96 ... 111] = 56,
	[112 ... 127] = 57,
	[128 ... 159] = 58,
	[160 ... 191] = 59,
	[192 ... 223] = 60,
	[224 ... 255] = 61,
	[256 ... 319] = 62,
	[320 ... 383] = 63,
	[384 ... 447] = 64,
};
