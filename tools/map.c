// SPDX-License-Identifier: MIT
/* ashlarctl map: each extent of a heap, by node, as a field of colour: people would rather look than read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "process.h"

#define PAGES		512u
#define ROW		64u	/* cells of a row */
#define CELLS_MAX	4096u	/* of a node: beyond, a cell stands for several extents */

struct extent {
	uint64_t address;
	unsigned int node;
	unsigned int used, dirty, muzzy;	/* pages; the last two are free and have memory */
	bool device, huge;
};

/* What a cell shows: the sum of its extents. */
struct cell {
	const struct extent *first;
	unsigned int n, used, dirty, device, huge;	/* dirty or muzzy */
};

static const char *svg_file;

static error_t parse(int key, char *arg, struct argp_state *state)
{
	(void)state;
	if (key != 's')
		return ARGP_ERR_UNKNOWN;
	svg_file = arg;
	return 0;
}

/* --- the extents ---------------------------------------------------------------------- */

static int by_node(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	if (x->node != y->node)
		return x->node < y->node ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

static int64_t int_of(struct json_object *o, const char *key)
{
	return json_object_get_int64(json_object_object_get(o, key));
}

static const char *text_of(struct json_object *o, const char *key)
{
	const char *text = json_object_get_string(json_object_object_get(o, key));

	return text ? text : "";
}

/* False: it has no memory now. */
static bool read_extent(struct json_object *o, struct extent *e)
{
	*e = (struct extent){
		.address = strtoull(text_of(o, "address"), NULL, 16),
		.node = (unsigned int)int_of(o, "node"),
		.used = (unsigned int)int_of(o, "used"),
		.dirty = (unsigned int)int_of(o, "dirty"),
		.muzzy = (unsigned int)int_of(o, "muzzy"),
		.device = !strcmp(text_of(o, "source"), "device"),
		.huge = json_object_get_boolean(json_object_object_get(o, "huge")),
	};
	return !strcmp(text_of(o, "state"), "live") && e->used + e->dirty + e->muzzy <= PAGES;
}

/* The array of extents; the whole answer is *@answer, to be put. */
static struct json_object *ask_map(pid_t pid, struct json_object **answer)
{
	char *text = ask_or_fail(pid, "map", NULL);
	struct json_object *list = NULL;

	*answer = json_tokener_parse(text);
	free(text);
	list = json_object_object_get(json_object_object_get(*answer, "ashlar"), "extents");
	if (!json_object_is_type(list, json_type_array))
		fail("process %d: its map is not understood; is its libashlar of another version?",
		     (int)pid);
	return list;
}

static unsigned int read_map(struct json_object *array, struct extent **list)
{
	size_t all = json_object_array_length(array);
	unsigned int n = 0;

	*list = calloc(all + 1, sizeof(**list));
	if (!*list)
		fail("no memory for %zu extents", all);
	for (size_t i = 0; i < all; i++)
		n += read_extent(json_object_array_get_idx(array, i), &(*list)[n]);
	qsort(*list, n, sizeof(**list), by_node);
	return n;
}

/* The cells of the @n extents of one node, into *@cells for free(); how many extents make one. */
static unsigned int make_cells(const struct extent *list, unsigned int n, struct cell **cells,
			       unsigned int *ncells)
{
	unsigned int each = (n + CELLS_MAX - 1) / CELLS_MAX;

	each = each ? each : 1;
	*ncells = (n + each - 1) / each;
	*cells = calloc(*ncells + 1, sizeof(**cells));
	if (!*cells)
		fail("no memory for %u cells", *ncells);
	for (unsigned int i = 0; i < n; i++) {
		struct cell *c = &(*cells)[i / each];

		if (!c->n++)
			c->first = &list[i];
		c->used += list[i].used;
		c->dirty += list[i].dirty + list[i].muzzy;
		c->device += list[i].device;
		c->huge += list[i].huge;
	}
	return each;
}

/* --- colours: free is blue, full is red, dirty alone is grey --------------------------------- */

static unsigned int occupancy(const struct cell *c)
{
	return c->used * 100 / (c->n * PAGES);
}

static unsigned int step(const struct cell *c)
{
	unsigned int p = occupancy(c);

	return p == 100 ? 9 : p / 10 < 9 ? p / 10 : 8;
}

static const struct {
	unsigned char red, green, blue;
	unsigned char code;		/* of a terminal's 256 */
} colours[] = {
	{ 0x31, 0x36, 0x95, 18 }, { 0x45, 0x75, 0xb4, 25 }, { 0x74, 0xad, 0xd1, 74 },
	{ 0xab, 0xd9, 0xe9, 117 }, { 0xe0, 0xf3, 0xf8, 195 }, { 0xfe, 0xe0, 0x90, 222 },
	{ 0xfd, 0xae, 0x61, 215 }, { 0xf4, 0x6d, 0x43, 203 }, { 0xd7, 0x30, 0x27, 160 },
	{ 0xa5, 0x00, 0x26, 124 },
};

/* --- in the terminal ---------------------------------------------------------------------------- */

/* A letter where there are no colours: 0 to 9 for the tenths, F for full, on the device underlined there. */
static void print_cell(const struct cell *c)
{
	static const char letters[] = "012345678F";
	char codes[32];

	if (!colourful()) {
		putchar(c->used || !c->dirty ? letters[step(c)] : '.');
		return;
	}
	if (!c->used && c->dirty)
		snprintf(codes, sizeof(codes), "48;5;240");
	else
		snprintf(codes, sizeof(codes), "48;5;%u;38;5;%u", colours[step(c)].code,
			 step(c) > 2 && step(c) < 7 ? 0 : 15);
	printf("%s%c%s", sgr(codes), c->device == c->n ? (c->huge == c->n ? 'D' : 'd') :
	       c->huge == c->n ? 'h' : ' ', sgr("0"));
}

static void print_node(const struct extent *list, unsigned int n)
{
	unsigned int ncells, each, device = 0, huge = 0;
	uint64_t used = 0, dirty = 0;
	struct cell *cells;

	each = make_cells(list, n, &cells, &ncells);
	for (unsigned int i = 0; i < ncells; i++) {
		used += cells[i].used;
		dirty += cells[i].dirty;
		device += cells[i].device;
		huge += cells[i].huge;
	}
	printf("%snode %u%s  %u extents (%u of the device, %u huge), %s used, %s dirty, %llu %% full\n",
	       sgr("1"), list->node, sgr("0"), n, device, huge, human(used << 12), human(dirty << 12),
	       (unsigned long long)(used * 100 / ((uint64_t)n * PAGES)));
	for (unsigned int i = 0; i < ncells; i++) {
		if (i % ROW == 0)
			printf("%s%14llx ", i ? "\n" : "", (unsigned long long)cells[i].first->address);
		print_cell(&cells[i]);
	}
	putchar('\n');
	if (each > 1)
		printf("a cell stands for %u extents\n", each);
	free(cells);
}

static void print_legend(void)
{
	struct cell c = { .n = 1 };

	fputs("pages in use: ", stdout);
	for (unsigned int i = 0; i <= 10; i++) {
		c.used = i * PAGES / 10;
		print_cell(&c);
		if (i == 0)
			fputs(" none ", stdout);
	}
	fputs(" all   dirty alone: ", stdout);
	c = (struct cell){ .n = 1, .dirty = 1 };
	print_cell(&c);
	puts(colourful() ? "   D: device, d: device but not huge now, h: huge, anonymous" : "");
}

/* --- as SVG ------------------------------------------------------------------------------------------ */

#define SIDE	12u

static unsigned int svg_node(FILE *f, const struct extent *list, unsigned int n, unsigned int y)
{
	unsigned int ncells, each;
	struct cell *cells;

	each = make_cells(list, n, &cells, &ncells);
	fprintf(f, "<text x=\"8\" y=\"%u\">node %u: %u extents, %u in a cell</text>\n", y + 14,
		list->node, n, each);
	y += 20;
	for (unsigned int i = 0; i < ncells; i++) {
		const struct cell *c = &cells[i];
		unsigned int k = step(c);

		fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" ",
			8 + i % ROW * SIDE, y + i / ROW * SIDE, SIDE - 2, SIDE - 2);
		if (!c->used && c->dirty)
			fputs("fill=\"#888888\" ", f);
		else
			fprintf(f, "fill=\"#%02x%02x%02x\" ", colours[k].red, colours[k].green,
				colours[k].blue);
		fprintf(f, "stroke=\"%s\"><title>%llx: %u %% used, %u of %u pages dirty, %s, %s</title></rect>\n",
			c->device ? "#000000" : "#cccccc", (unsigned long long)c->first->address,
			occupancy(c), c->dirty, c->n * PAGES,
			c->device == c->n ? "device" : c->device ? "mixed" : "anonymous",
			c->huge == c->n ? "huge" : c->huge ? "partly huge" : "small pages");
	}
	free(cells);
	return y + (ncells + ROW - 1) / ROW * SIDE + 8;
}

/* The end of the run of extents of one node that begins at @i. */
static unsigned int node_end(const struct extent *list, unsigned int n, unsigned int i)
{
	unsigned int end = i;

	while (end < n && list[end].node == list[i].node)
		end++;
	return end;
}

static unsigned int svg_height(const struct extent *list, unsigned int n)
{
	unsigned int height = 56;

	for (unsigned int i = 0, end; i < n; i = end) {
		unsigned int each;

		end = node_end(list, n, i);
		each = (end - i + CELLS_MAX - 1) / CELLS_MAX;
		height += 28 + ((end - i + each - 1) / each + ROW - 1) / ROW * SIDE;
	}
	return height;
}

static void write_svg(const struct process *p, const struct extent *list, unsigned int n)
{
	unsigned int y = 24, height = svg_height(list, n);
	FILE *f = strcmp(svg_file, "-") ? fopen(svg_file, "we") : stdout;

	if (!f)
		fail("cannot write %s: %s", svg_file, strerror(errno));
	fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" height=\"%u\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n",
		16 + ROW * SIDE, height);
	/* The name is a stranger's: what XML would read is left out. */
	fprintf(f, "<text x=\"8\" y=\"16\" font-weight=\"bold\">heap of process %d (", (int)p->pid);
	for (const char *s = p->name; *s; s++)
		fputc(strchr("<>&\"'", *s) || (unsigned char)*s > 126 ? '?' : *s, f);
	fputs(")</text>\n", f);
	for (unsigned int i = 0, end; i < n; i = end) {
		end = node_end(list, n, i);
		y = svg_node(f, list + i, end - i, y);
	}
	fprintf(f, "<text x=\"8\" y=\"%u\">in use:</text>\n", height - 8);
	for (unsigned int k = 0; k < ARRAY_SIZE(colours); k++)
		fprintf(f, "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" fill=\"#%02x%02x%02x\"><title>%u %%</title></rect>\n",
			60 + k * SIDE, height - 18, SIDE, SIDE - 2, colours[k].red, colours[k].green,
			colours[k].blue, k == 9 ? 100 : k * 10);
	fprintf(f, "<text x=\"190\" y=\"%u\">none to all; grey: dirty alone; black edge: of the device</text>\n</svg>\n",
		height - 8);
	if (ferror(f) || (f != stdout && fclose(f)))
		fail("cannot write %s: %s", svg_file, strerror(errno));
	if (f != stdout)
		printf("%s: %u extents\n", svg_file, n);
}

/* --- the command ---------------------------------------------------------------------------------------- */

static int run(void)
{
	pid_t pid = pid_argument(0);
	struct json_object *answer, *array = ask_map(pid, &answer);
	struct extent *list;
	struct process p;
	unsigned int n = read_map(array, &list);

	process_find(pid, &p);
	if (want_json) {
		print_json(json_object_get(array));
	} else if (svg_file) {
		write_svg(&p, list, n);
	} else {
		for (unsigned int i = 0, end; i < n; i = end) {
			end = node_end(list, n, i);
			print_node(list + i, end - i);
		}
		if (n)
			print_legend();
		else
			puts("the heap is empty");
	}
	free(list);
	json_object_put(answer);
	return 0;
}

static const struct argp_option options[] = {
	{ "svg", 's', "FILE", 0, "Draw it into FILE instead; '-' is standard output", 0 },
	{ 0 },
};

const struct command cmd_map = {
	.name = "map", .args = "PID", .least = 1, .most = 1, .run = run,
	.options = options, .parse = parse,
	.text = "Draw a process's heap: each extent's occupancy, node and state.",
};
