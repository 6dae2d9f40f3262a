# Rewrites addresses with Mail::SRS. Argument: the secret. Every line of standard input is a question: "forward", an
# address and the domain of the forwarder, or "reverse" and an address. One address a line answers, or "ERROR" and why.
use strict;
use warnings;
use Mail::SRS;

my $srs = Mail::SRS->new(Secret => shift @ARGV, MaxAge => 21);
$| = 1;
while (my $line = <STDIN>) {
    my ($what, @given) = split ' ', $line;
    my $answer = eval { $what eq 'forward' ? $srs->forward(@given) : $srs->reverse(@given) };
    $answer = "ERROR $@" unless defined $answer;
    $answer =~ s/\s+/ /g;
    print "$answer\n";
}
