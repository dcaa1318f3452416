# SPDX-License-Identifier: MIT
# Splits, joins, hashes and sorts text, as log scripts do. Prints counts.

use strict;
use warnings;

my $percent = shift;
my ($seed, %count, %where) = (1);

sub rnd {
	$seed = ($seed * 1103515245 + 12345) % 2147483648;
	return ($seed >> 16) % shift;
}

for my $n (1 .. 1500 * $percent) {
	my $line = join ' ', map { 'w' . rnd(2 + $_ * 300) } 1 .. 12;
	my @words = split / /, $line;
	for my $w (@words) {
		$count{$w}++;
		push @{$where{$w}}, $n if rnd(3) == 0;
	}
	$line =~ s/(w\d)(\d*)/$2$1/g;
	$count{length $line}++;
	%where = () if $n % 20000 == 0;
}
print "$_ $count{$_}\n" for sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
