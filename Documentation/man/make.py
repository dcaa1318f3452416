#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the manual pages from what the code itself says, so that they cannot differ from it.

Usage: make.py ASHLARCTL DIRECTORY

    *.in beside this file	the pages that have words of their own; @NAME@ is filled in
    include/ashlar.h		a page for each function, by the comment at its declaration
    Documentation/ctl.md	the names in ashlar_ctl(3)
    ASHLARCTL help --json	commands and their options
    ASHLARCTL options --json	the library's options
    include/uapi/linux/ashlar.h, kmod/main.c, Documentation/ABI	the device, its calls,
                                parameters and files

A comment that names a parameter which is not there, a function or an ioctl without a
comment, or a placeholder without a value ends it with an error. DIRECTORY gets man1,
man3, man4 and man5, and the file `list` with all pages' paths.
"""
import json
import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(TOP, "Documentation", "man")


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as file:
        return file.read()


def die(message):
    sys.exit(f"make.py: {message}")


# --- text to roff ---

def escape(text):
    """Plain text; @name becomes italic, name() bold."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    text = re.sub(r"(?<![\w/])@(\w+)", r"\\fI\1\\fR", text)
    text = re.sub(r"\b([a-z]\w+)\(\)", r"\\fB\1\\fR()", text)
    lines = []
    for line in text.split("\n"):
        lines.append("\\&" + line if line[:1] in (".", "'") else line)
    return "\n".join(lines)


def sentences(text):
    """One a line, as roff likes them."""
    return re.sub(r"(?<=[a-z\d)\"][.;:]) (?=[A-Z])", "\n", text)


TERM = re.compile(r"[ \t](\S[^\t]*)\t+(\S.*)")


def definitions(block):
    """Lines of "term TAB meaning", which may go on on lines of more tabs."""
    items = []
    for line in block:
        found = TERM.fullmatch(line.rstrip())
        if found:
            items.append([found.group(1), found.group(2)])
        else:
            items[-1][1] += " " + line.strip()
    return "\n".join(item(term, text) for term, text in items)


def paragraphs(lines):
    """
    Lines of a comment: text is filled, lists are lists, and what is else indented by two
    or more stays as it is.
    """
    out, block, kind = [], [], "text"

    def flush():
        if block and kind == "list":
            out.append(definitions(block) + "\n.PP")
        elif block and kind == "verbatim":
            out.append(".PP\n.in +2n\n.EX\n" + escape("\n".join(block).expandtabs()) + "\n.EE\n.in")
        elif block:
            text = " ".join(line.strip() for line in block)
            out.append(".PP\n" + "\n".join(escape(s) for s in sentences(text).split("\n")))
        block.clear()

    for line in lines:
        if not line.strip():
            flush()
            continue
        now = "list" if TERM.fullmatch(line.rstrip()) else \
            "verbatim" if line.startswith(("  ", "\t")) else "text"
        if kind == "list" and now == "verbatim" and block:
            now = "list"
        if now != kind and block:
            flush()
        kind = now
        block.append(line.rstrip())
    flush()
    return tidy("\n".join(out))


def tidy(text):
    """No paragraph begins where another does, or a section, or nothing follows."""
    text = re.sub(r"(?m)^((?:\.PP\n)+)(?=\.PP|\.TP|\.S[HS])", "", text)
    text = re.sub(r"(?m)^(\.S[HS] .*\n)(?:\.PP\n)+", r"\1", text)
    return re.sub(r"(\n\.PP)+\n*\Z", "", text)


def item(term, text, bold=True):
    term = escape(term)
    return f".TP\n{'.B ' if bold else '.I '}{term}\n" + escape(text)


# --- comments of a header ---

def comment_lines(comment):
    return [re.sub(r"^\s*\*( |(?=\t)|$)", "", line) for line in comment.strip("\n").split("\n")]


class Function:
    def __init__(self, name, summary, params, body, returns, prototypes):
        self.name, self.summary, self.params = name, summary, params
        self.body, self.returns, self.prototypes = body, returns, prototypes


def parse_comment(comment, prototypes):
    lines = comment_lines(comment)
    while lines and not lines[0].strip():
        lines.pop(0)
    head = re.match(r"\s*(\w+)\(\) - (.*)", lines[0])
    if not head:
        return None
    summary, rest, params = head.group(2).strip(), lines[1:], []
    # A one-line comment may go on behind its first sentence.
    body, current = [], None
    for line in rest:
        # "@a: text; @b: text" on one line is two.
        found = re.match(r"@(\w+): ?(.*)", line)
        if found:
            texts = re.split(r"(?:^|; )@(\w+): ", line)[1:]
            for name, text in zip(texts[::2], texts[1::2]):
                params.append([name, text])
            current = params[-1]
        elif current and line.startswith("\t"):
            current[1] += " " + line.strip()
        else:
            current = None
            body.append(line)
    text = "\n".join(body)
    returns = ""
    found = re.search(r"(?:^|(?<=\s))Return: (.*?)(?=\n\n|\Z)", text, re.S)
    if found:
        returns = " ".join(found.group(1).split())
        text = text[:found.start()] + text[found.end():]
    if not returns and "Return: " in summary:
        summary, returns = re.split(r"\.? ?Return: ", summary, 1)
    return Function(head.group(1), summary.rstrip("."), params, text.split("\n"), returns, prototypes)


def functions():
    header = read("include/ashlar.h")
    found = []
    for match in re.finditer(r"/\*\*((?:(?!\*/).)*)\*/\n((?:[a-z][^;/]*;\n)+)", header, re.S):
        prototypes = re.findall(r"[a-z][^;]*;", match.group(2))
        prototypes = [re.sub(r"\s+(ASHLAR_\w+(\([\d, ]*\))?|__attribute__\(\(.*?\)\)(?=[ ;]))", "",
                             " ".join(p.split())) for p in prototypes]
        function = parse_comment(match.group(1), prototypes)
        if not function or "(" not in prototypes[0]:
            continue
        declared = re.search(r"(\w+)\((?!\*)", prototypes[0]).group(1)
        if declared != function.name:
            die(f"ashlar.h: the comment of {declared}() says {function.name}()")
        for name, _ in function.params:
            if not re.search(rf"\b{name}_?\b", " ".join(prototypes)):
                die(f"ashlar.h: {function.name}() has no parameter @{name}")
        found.append(function)
    documented = {n for f in found for p in f.prototypes for n in re.findall(r"\b(ashlar_\w+)\(", p)}
    for name in re.findall(r"^[a-z][^;{}()]*?\*?(ashlar_\w+)\(", header, re.M):
        if name not in documented:
            die(f"ashlar.h: {name}() has no comment")
    return found


def names_of(function):
    return [re.search(r"\b(ashlar_\w+)\(", p).group(1) for p in function.prototypes]


# --- pages ---

class Pages:
    def __init__(self, directory):
        self.directory, self.list = directory, []
        self.version = re.search(r'ASHLAR_VERSION "(.*?)"', read("include/ashlar.h")).group(1)
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        newest = max(os.stat(os.path.join(TOP, p)).st_mtime for p in
                     ("include/ashlar.h", "libuser/options.h", "include/uapi/linux/ashlar.h"))
        self.date = time.strftime("%Y-%m-%d", time.gmtime(int(epoch) if epoch else newest))

    def write(self, name, section, text):
        path = os.path.join(f"man{section[0]}", f"{name}.{section}")
        full = os.path.join(self.directory, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(tidy(text).rstrip("\n") + "\n")
        self.list.append(path)

    def title(self, name, section):
        return (f'.\\" Made by Documentation/man/make.py; SPDX-License-Identifier: MIT\n'
                f'.TH {name} {section} {self.date} "Ashlar {self.version}"\n')

    def from_template(self, name, section, **values):
        text = read(f"Documentation/man/{name}.{section}.in")
        # The licence's line is the template's own.
        text = "".join(line for line in text.splitlines(True) if not line.startswith('.\\"'))
        for key in re.findall(r"@([A-Z_]+)@", text):
            if key not in values:
                die(f"{name}.{section}.in: nothing to fill in for @{key}@")
        text = re.sub(r"@([A-Z_]+)@", lambda m: values[m.group(1)], text)
        self.write(name, section, self.title(name, section) + text)


def ctl_names():
    """The tables of ctl.md: selftests/pages holds them against the code."""
    out = [".SH NAMES", "Access is r, w, rw, or do for an action; <i> is an arena or a node, <j> a class."]
    for line in read("Documentation/ctl.md").split("\n"):
        row = re.fullmatch(r"\| `(.*?)` \| (\w+) \| (\w+) \| (.+) \|", line)
        if line.startswith("## "):
            out.append(f".SS {escape(line[3:])}")
        elif row:
            name, kind, access, text = (part.replace("\\|", "|").replace("`", "") for part in row.groups())
            out.append(f".TP\n.BR {escape(name)} \" ({kind}, {access})\"\n" + escape(text))
    return out


def function_page(pages, function):
    names = names_of(function)
    out = [pages.title(function.name, "3").rstrip("\n"), ".SH NAME",
           ", ".join(names) + " \\- " + escape(function.summary.split(";")[0]),
           ".SH SYNOPSIS", ".nf", ".B #include <ashlar.h>", ".PP"]
    out += [".BI \"" + escape(re.sub(r"\bnew_\b", "new", p)) + "\"" for p in function.prototypes]
    out += [".fi", ".PP", "Link with \\fI\\-lashlar\\fR or \\fI\\-lashlar\\-prefixed\\fR.",
            ".SH DESCRIPTION", escape(sentences(function.summary[0].upper() + function.summary[1:])) + "."]
    if function.params:
        out += [item(name, text, bold=False) for name, text in function.params]
    body = paragraphs(function.body)
    if body:
        out.append(body)
    if function.returns:
        returns = function.returns[0].upper() + function.returns[1:].rstrip(".") + "."
        out += [".SH RETURN VALUE", "\n".join(escape(s) for s in sentences(returns).split("\n"))]
    if function.name == "ashlar_ctl":
        out += ctl_names()
    out += [".SH SEE ALSO", ".BR libashlar (3),", ".BR ashlar.conf (5)"]
    pages.write(function.name, "3", "\n".join(out))
    for name in names[1:]:
        pages.write(name, "3", f".so man3/{function.name}.3")


def leading_comment(path, skip=False):
    """Without its first sentence, which tells programmers what the file is, where @skip is set."""
    comment = re.search(r"/\*\n(.*?)\*/", read(path), re.S).group(1)
    lines = comment_lines(comment)
    if skip:
        text = "\n".join(lines)
        lines = text[re.search(r"\.\s", text).end():].split("\n")
    return lines


def ioctl_items():
    header = read("include/uapi/linux/ashlar.h")
    calls = re.findall(r"#define\s+(ASHLAR_IOC_\w+)\s+_IO", header)
    out = []
    for call in calls:
        found = re.search(rf"/\*\*\n \* (struct \w+) - [^:]*\b{call}\b[^:]*: (.*?)\*/", header, re.S)
        if not found:
            die(f"uapi/linux/ashlar.h: no comment says what {call} is")
        lines = comment_lines(" * " + found.group(2))
        out.append(f".SS {call} ({escape(lines[0].strip())})\nThe argument is a \\fI{found.group(1)}\\fR.")
        rest, current = [], None
        for line in lines[1:]:
            param = re.match(r"@(\w+): (.*)", line)
            if param:
                current = [param.group(1), param.group(2)]
                rest.append(current)
            elif current and line.startswith("\t"):
                current[1] += " " + line.strip()
            else:
                current = None
                rest.append(line)
        out += [item(x[0], x[1], bold=False) for x in rest if isinstance(x, list)]
        out.append(paragraphs([x for x in rest if not isinstance(x, list)]))
    return "\n".join(out)


def parameter_items():
    """All files' MODULE_PARM_DESC: parameters may lie anywhere in the module."""
    out = []
    for name in sorted(os.listdir(os.path.join(TOP, "kmod"))):
        if not name.endswith(".c"):
            continue
        for match in re.finditer(r'MODULE_PARM_DESC\((\w+),\s*((?:"[^"]*"\s*)+)\)', read(f"kmod/{name}")):
            text = "".join(re.findall(r'"([^"]*)"', match.group(2)))
            out.append(item(match.group(1), text[0].upper() + text[1:] + "."))
    return "\n".join(out)


def sysfs_items():
    out = []
    for whats, text in re.findall(r"((?:^What:\t+\S+\n)+)Description:\n((?:\t\t.*\n|\n)+)",
                                 read("Documentation/ABI/testing/sysfs-ashlar") + "\n" +
                                 read("Documentation/ABI/testing/debugfs-ashlar") + "\n", re.M):
        lines = [line[2:] for line in text.split("\n")]
        body = paragraphs(lines)
        body = re.sub(r"\A\.PP\n", "", body).replace("\n.PP\n", "\n.IP\n")
        names = "\n.TQ\n".join(f".I {escape(what)}" for what in re.findall(r"^What:\t+(\S+)", whats, re.M))
        out.append(f".TP\n{names}\n" + body)
    return "\n".join(out)


def option_items(options):
    out = []
    for option in options:
        same = " Means the same to jemalloc." if option["jemalloc"] else ""
        default = option["default"] if option["default"] != "" else "empty"
        out.append(f".TP\n.BR {escape(option['key'])} \" (\" {escape(option['values'].replace(' ', chr(0))).replace(chr(0), chr(92) + ' ')} \"; default \" "
                   f"{escape(default)} )\n" + escape(option["help"] + same))
    return "\n".join(out)


def command_items(commands):
    out = []
    for command in commands:
        args = " " + escape(command["args"]) if command["args"] else ""
        out.append(f".SS ashlarctl {escape(command['name'])}{args}\n{escape(command['text'])}")
        for option in command["options"]:
            value = "=" + option["argument"] if option["argument"] else ""
            out.append(item(f"--{option['name']}{value}", option["help"].rstrip(".") + "."))
    return "\n".join(out)


def main():
    if len(sys.argv) != 3:
        die("give ashlarctl and a directory")
    tool, directory = sys.argv[1:]

    def ask(*arguments):
        return json.loads(subprocess.run([tool, *arguments], check=True, stdout=subprocess.PIPE).stdout)

    pages = Pages(directory)
    listed = []
    for function in functions():
        function_page(pages, function)
        names = ", ".join(f"\\fB{n}\\fR(3)" for n in names_of(function))
        listed.append(f".TP\n{names}\n" + escape(function.summary))
    pages.from_template("libashlar", "3", ABOUT=paragraphs(leading_comment("include/ashlar.h")),
                        FUNCTIONS="\n".join(listed))
    pages.from_template("ashlar.conf", "5", SOURCES=paragraphs(leading_comment("libuser/conf.h", skip=True)),
                        OPTIONS=option_items(ask("options", "--json")))
    pages.from_template("ashlarctl", "1", COMMANDS=command_items(ask("help", "--json")),
                        SOCKET=paragraphs(leading_comment("libuser/serve.h")))
    pages.from_template("ashlar", "4", ABOUT=paragraphs(leading_comment("include/uapi/linux/ashlar.h")),
                        IOCTLS=ioctl_items(), PARAMETERS=parameter_items(), SYSFS=sysfs_items())
    with open(os.path.join(directory, "list"), "w", encoding="utf-8") as file:
        file.write("\n".join(sorted(pages.list)) + "\n")


main()
