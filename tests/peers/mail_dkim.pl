# Says, one line a message, what Mail::DKIM thinks of it: mail_dkim.pl signatures|chain KEYS MESSAGE...
# "signatures": of each one, from the top; "chain": of its chain of ARC seals.
# KEYS holds lines "name TAB record" and stands in for the DNS.
use strict;
use warnings;
use Mail::DKIM::ARC::Verifier;
use Mail::DKIM::Verifier;
use Mail::DKIM::PublicKey;

my $of_chain = shift @ARGV eq 'chain';
my %records;
open my $keys, '<', shift @ARGV or die "keys: $!";
while (my $line = <$keys>) {
    chomp $line;
    my ($name, $record) = split /\t/, $line, 2;
    $records{$name} = $record;
}

{
    no warnings 'redefine';
    *Mail::DKIM::PublicKey::fetch_async = sub {
        my ($class, %asked) = @_;
        my $found = $asked{Callbacks}{Success} || sub { $_[0] };
        my $record = $records{"$asked{Selector}._domainkey.$asked{Domain}"};
        my $key = $record ? $class->parse($record) : undef;
        @$key{qw(Selector Domain)} = @asked{qw(Selector Domain)} if $key;
        my $answer = $found->($key ? $key : ());
        return sub { $answer };
    };
}

for my $path (@ARGV) {
    open my $message, '<:raw', $path or die "$path: $!";
    my $verifier = $of_chain ? Mail::DKIM::ARC::Verifier->new : Mail::DKIM::Verifier->new;
    local $/;
    $verifier->PRINT(<$message>);
    $verifier->CLOSE;
    my @said = $of_chain
        ? $verifier->result
        : map { $_->algorithm =~ s/\s//gr . '=' . ($_->result || 'none') } $verifier->signatures;
    print join(' ', @said), "\n";
}
