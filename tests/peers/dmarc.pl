# Says, one line a mail, what Mail::DMARC (RFC 7489) makes of it. Lines on the standard input hold, between tabs: the
# author's domain, the record of its organization, the domain that signed, the domain that SPF passed for ("": none).
use strict;
use warnings;
use Mail::DMARC::PurePerl;

my $published;
{
    no warnings qw(redefine once);
    *Mail::DMARC::PurePerl::has_dns_rr = sub { return 1 };
    *Mail::DMARC::PurePerl::fetch_dmarc_record = sub { return ([$published]) };
}

while (my $line = <STDIN>) {
    chomp $line;
    (my $author, $published, my $signer, my $sender) = split /\t/, $line, -1;
    my $dmarc = Mail::DMARC::PurePerl->new;
    $dmarc->header_from($author);
    $dmarc->dkim([$signer eq '' ? () : { domain => $signer, selector => 's', result => 'pass' }]);
    $dmarc->spf([
        $sender eq ''
        ? { domain => 'nobody.example', scope => 'mfrom', result => 'none' }
        : { domain => $sender, scope => 'mfrom', result => 'pass' }
    ]);
    my $result = $dmarc->validate;
    print $result->result eq 'pass' ? 'pass' : $result->disposition, "\n";
}
