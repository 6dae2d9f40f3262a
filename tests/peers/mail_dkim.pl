# Says, one line a message, what Mail::DKIM thinks of each signature: mail_dkim.pl KEYS MESSAGE...
# KEYS holds lines "name TAB record" and stands in for the DNS.
use strict;
use warnings;
use Mail::DKIM::Verifier;
use Mail::DKIM::PublicKey;

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
    my $verifier = Mail::DKIM::Verifier->new;
    local $/;
    $verifier->PRINT(<$message>);
    $verifier->CLOSE;
    print join(' ', map { $_->algorithm =~ s/\s//gr . '=' . ($_->result || 'none') } $verifier->signatures), "\n";
}
