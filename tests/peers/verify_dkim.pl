# Verifies every DKIM signature of the message on standard input with Mail::DKIM, one line each: domain, selector,
# algorithm, result. Arguments: address and port of the name server to ask for keys.
use strict;
use warnings;
use Mail::DKIM::DNS;
use Mail::DKIM::Verifier;
use Net::DNS::Resolver;

my ($address, $port) = @ARGV;
Mail::DKIM::DNS::resolver(
    Net::DNS::Resolver->new(nameservers => [$address], port => $port, recurse => 1, udp_timeout => 10));

local $/;
binmode STDIN;
my $dkim = Mail::DKIM::Verifier->new();
$dkim->PRINT(<STDIN>);
$dkim->CLOSE;
for my $signature ($dkim->signatures) {
    print join(' ', $signature->domain, $signature->selector, $signature->algorithm, $signature->result), "\n";
}
