// SPDX-License-Identifier: MIT
/* ashlarctl completion: what shells need to complete it, made from the table of commands. */
#include <stdio.h>
#include <string.h>

#include "tool.h"

static void print_words(const struct command *c)
{
	fputs("--json --color= --help", stdout);
	for (const struct argp_option *o = c->options; o && (o->name || o->key); o++)
		printf(" --%s%s", o->name, o->arg ? "=" : "");
}

static bool takes_pid(const struct command *c)
{
	return strstr(c->args, "PID") != NULL;
}

static void bash(void)
{
	puts("# bash completion for ashlarctl; made by `ashlarctl completion bash`\n"
	     "_ashlarctl() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} command='' i words='' pids=''\n"
	     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	     "\t\tcase ${COMP_WORDS[i]} in\n"
	     "\t\t-*) ;;\n"
	     "\t\t*) command=${COMP_WORDS[i]}; break ;;\n"
	     "\t\tesac\n"
	     "\tdone\n"
	     "\tcase $command in");
	fputs("\t'') words='--help --version --json --color=", stdout);
	for (unsigned int i = 0; i < ncommands; i++)
		printf(" %s", commands[i]->name);
	puts("' ;;");
	for (unsigned int i = 0; i < ncommands; i++) {
		printf("\t%s) words='", commands[i]->name);
		print_words(commands[i]);
		printf("%s'%s ;;\n", !strcmp(commands[i]->name, "pool") ? " set" :
		       !strcmp(commands[i]->name, "completion") ? " bash zsh" : "",
		       takes_pid(commands[i]) ? " pids=yes" : "");
	}
	puts("\tesac\n"
	     "\tif [ \"$command\" = run ] && [[ $word != -* ]]; then\n"
	     "\t\tmapfile -t COMPREPLY < <(compgen -c -- \"$word\")\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tif [ -n \"$pids\" ] && [[ $word != -* ]]; then\n"
	     "\t\twords=$(cd /proc && printf '%s ' [0-9]*)\n"
	     "\tfi\n"
	     "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	     "\t[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace\n"
	     "}\n"
	     "complete -o default -F _ashlarctl ashlarctl");
}

/* A sentence inside a zsh single-quoted '…[…]': no quote, bracket or colon may end it. */
static void zsh_text(const char *text)
{
	for (; *text; text++)
		putchar(strchr("'[]:", *text) ? ' ' : *text);
}

static void zsh(void)
{
	puts("#compdef ashlarctl\n"
	     "# zsh completion; made by `ashlarctl completion zsh`\n"
	     "_ashlarctl() {\n"
	     "\tlocal -a commands\n"
	     "\tcommands=(");
	for (unsigned int i = 0; i < ncommands; i++) {
		printf("\t\t'%s:", commands[i]->name);
		zsh_text(commands[i]->text);
		puts("'");
	}
	puts("\t)\n"
	     "\tif ((CURRENT == 2)); then\n"
	     "\t\t_describe command commands\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tcase $words[2] in");
	for (unsigned int i = 0; i < ncommands; i++) {
		const struct command *c = commands[i];

		printf("\t%s) _arguments '--json[print JSON]' '--color=[colours]:when:(auto always never)' '--help[help]'",
		       c->name);
		for (const struct argp_option *o = c->options; o && (o->name || o->key); o++) {
			printf(" '--%s%s[", o->name, o->arg ? "=" : "");
			zsh_text(o->doc);
			printf("]%s'", !o->arg ? "" : !strcmp(o->arg, "FILE") ? ":file:_files" : ":value:");
		}
		puts(!strcmp(c->name, "run") ? " '*:: :_normal -p ashlarctl' ;;" :
		     !strcmp(c->name, "pool") ? " '1:what:(set load)' ':file:_files' ;;" :
		     !strcmp(c->name, "completion") ? " '1:shell:(bash zsh)' ;;" :
		     takes_pid(c) ? " '1:process:_pids' ;;" : " ;;");
	}
	puts("\tesac\n"
	     "}\n"
	     "_ashlarctl \"$@\"");
}

static int run(void)
{
	if (!strcmp(arguments[0], "bash"))
		bash();
	else if (!strcmp(arguments[0], "zsh"))
		zsh();
	else
		usage_error("completion: '%s' is not known; say bash or zsh", arguments[0]);
	return 0;
}

const struct command cmd_completion = {
	.name = "completion", .args = "bash|zsh", .least = 1, .most = 1, .run = run,
	.text = "Print a script that completes this program's arguments in a shell.",
};
