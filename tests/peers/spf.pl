# Evaluates SPF with Mail::SPF. Arguments: address and port of the name server to ask. Every line of standard input is
# a question: address, HELO name, reverse path ("-" for none), separated by blanks. One result a line.
use strict;
use warnings;
use Mail::SPF;
use Net::DNS::Resolver;

my ($address, $port) = @ARGV;
my $resolver = Net::DNS::Resolver->new(
    nameservers => [$address], port => $port, recurse => 1, udp_timeout => 5, retry => 1, retrans => 1);
my $server = Mail::SPF::Server->new(dns_resolver => $resolver);
$| = 1;
while (my $line = <STDIN>) {
    my ($ip, $helo, $sender) = split ' ', $line;
    my %who = $sender eq '-' ? (scope => 'helo', identity => $helo) : (scope => 'mfrom', identity => $sender);
    my $request = Mail::SPF::Request->new(%who, ip_address => $ip, helo_identity => $helo);
    print $server->process($request)->code, "\n";
}
