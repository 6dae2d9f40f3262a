"""Facts about mail providers: how to send and fetch for an address with them.

One provider a line: name, server to send through, server to fetch from (- for none), kinds of login, the form of the
user name (the whole address or its local part). The indented lines below it are the domains of its addresses, as far
as they are known to be its own. The facts are those that providers and users have published; `relay.policy.providers`
reads them.
"""

TABLE = """
126.com | smtp.126.com:465/implicit | imap.126.com:993/implicit | password | address
  126.com
163.com | smtp.163.com:465/implicit | imap.163.com:993/implicit | password | address
  163.com
IONOS | smtp.1und1.de:465/implicit | imap.1und1.de:993/implicit | password | address
  online.de onlinehome.de sofortstart.de sofort-start.de sofortsurf.de sofort-surf.de go4more.de kundenserver.de
  schlund.de
a1.net | securemail.a1.net:587/starttls | securemail.a1.net:993/implicit | password | address
  a1.net aon.at
ACTIVE 24 Webhosting | email.active24.com:465/implicit | email.active24.com:993/implicit | password | address
  active24.com smtp.cz
Alice Italy | out.alice.it:587/starttls | in.alice.it:143/starttls | password | address
  alice.it
AOL Mail | smtp.aol.com:465/implicit | imap.aol.com:993/implicit | oauth2+password | address
  aol.com aim.com netscape.net netscape.com compuserve.com cs.com wmconnect.com aol.de aol.it aol.fr aol.es
  aol.se aol.co.uk aol.co.nz aol.com.au aol.com.ar aol.com.br aol.com.mx mail.gm0.yahoodns.net
Aruba PEC | smtps.pec.aruba.it:465/implicit | imaps.pec.aruba.it:993/implicit | password | address
  pec.it arubapec.it mypec.eu gigapec.it ingpec.eu
AT&T | outbound.att.net:465/implicit | imap.mail.att.net:993/implicit | oauth2+password | address
  ameritech.net att.net bellsouth.net currently.com flash.net nvbell.net pacbell.net prodigy.net sbcglobal.net
  snet.net swbell.net wans.net
Bell Canada email | smtphm.sympatico.ca:587/starttls | imap.bell.net:993/implicit | password | address
  bell.net sympatico.ca
Telstra Mail | smtp.telstra.com:465/implicit | imap.telstra.com:993/implicit | password | address
  bigpond.com bigpond.net.au telstra.com bigpond.net
Bluewin Mail | smtpauths.bluewin.ch:465/implicit | imaps.bluewin.ch:993/implicit | password | address
  bluewin.ch bluemail.ch
Blueyonder | smtp.blueyonder.co.uk:465/implicit | imap4.blueyonder.co.uk:993/implicit | password | address
  blueyonder.co.uk
BOL - Brasil Online | smtps.bol.com.br:465/implicit | imap.bol.com.br:993/implicit | password | local
  bol.com.br
BT Mail | mail.btinternet.com:465/implicit | mail.btinternet.com:993/implicit | password | address
  btinternet.com btopenworld.com talk21.com
CenturyLink.net | smtp.centurylink.net:587/starttls | mail.centurylink.net:993/implicit | password | address
  centurylink.net embarqmail.com
CenturyTel.net | smtpauth.centurytel.net:587/starttls | - | password | address
  centurytel.net clds.net coastalnow.net cochill.net cswnet.com emadisonriver.com emadisonriver.net
  gallatinriver.net grics.net gulftel.com madisonriver.biz mebtel.net
Charter Communications | mobile.charter.net:587/implicit | mobile.charter.net:993/implicit | password | address
  charter.net spectrum.net bresnan.net
Clustermail | mail.clustermail.de:587/starttls | mail.clustermail.de:993/implicit | password | address
  clustermail.de
Comcast | smtp.comcast.net:465/implicit | imap.comcast.net:993/implicit | oauth2+password | address
  comcast.net
Daum Mail | smtp.daum.net:465/implicit | imap.daum.net:993/implicit | password | address
  daum.net
domainFACTORY | sslout.df.eu:465/implicit | sslin.df.eu:993/implicit | password | address
  ispgateway.de
DonDominio/MrDomain | smtp.dondominio.com:465/implicit | imap.dondominio.com:993/implicit | password | address
  dondominio.com
EarthLink | smtpauth.earthlink.net:587/starttls | imap.earthlink.net:993/implicit | password | address
  earthlink.net mindspring.com ix.netcom.com
Elpasotel.net | smtp.elpasotel.net:587/starttls | mail.elpasotel.net:993/implicit | password | address
  elpasotel.net
email.it | out.email.it:465/implicit | in.email.it:993/implicit | password | address
  email.it
Rackspace Email Hosting | secure.emailsrvr.com:465/implicit | secure.emailsrvr.com:993/implicit | password | address
  emailsrvr.com
Fastweb | smtp.fastwebnet.it:587/starttls | imap.fastwebnet.it:993/implicit | password | address
  fastwebnet.it
Freebox | smtp.free.fr:465/implicit | imap.free.fr:993/implicit | password | local
  free.fr
Gandi Mail | mail.gandi.net:465/implicit | mail.gandi.net:993/implicit | password | address
  gandi.net
Gigahost Mail | smtp.gigahost.dk:587/starttls | mail.gigahost.dk:993/implicit | password | address
  gigahost.dk
GMX International | mail.gmx.com:465/implicit | imap.gmx.com:993/implicit | password | address
  gmx.com gmx.tm gmx.us gmx.co.uk gmx.es gmx.fr gmx.ca gmx.cn gmx.co.in gmx.com.br gmx.com.my gmx.hk gmx.ie
  gmx.ph gmx.pt gmx.ru gmx.se gmx.sg gmx.tw gmx.com.tr gmx.it gmx.li
GMX Freemail | mail.gmx.net:465/implicit | imap.gmx.net:993/implicit | password | address
  gmx.net gmx.de gmx.at gmx.ch gmx.eu gmx.biz gmx.org gmx.info mein.gmx mail.gmx email.gmx
Google | smtp.gmail.com:465/implicit | imap.gmail.com:993/implicit | oauth2+password | address
  gmail.com googlemail.com
G-Hosting.cz a Station.cz | smtp.gransy.com:465/implicit | imap.gransy.com:993/implicit | password | address
  gransy.com internetserver.cz
Hetzner | mail.your-server.de:465/implicit | mail.your-server.de:993/implicit | password | address
  your-server.de
Outlook.com | smtp-mail.outlook.com:587/starttls | outlook.office365.com:993/implicit | oauth2 | address
  hotmail.com live.com msn.com outlook.com windowslive.com outlook.at outlook.be outlook.cl outlook.cz
  outlook.de outlook.dk outlook.es outlook.fr outlook.hu outlook.ie outlook.in outlook.it outlook.jp outlook.kr
  outlook.lv outlook.my outlook.ph outlook.pt outlook.sa outlook.sg outlook.sk outlook.co.id outlook.co.il
  outlook.co.th outlook.com.ar outlook.com.au outlook.com.br outlook.com.gr outlook.com.tr outlook.com.vn
  hotmail.be hotmail.ca hotmail.cl hotmail.cz hotmail.de
IPAX Internet Services | mail.ipax.at:465/implicit | mail.ipax.at:993/implicit | password | address
  ipax.at
KELCOM Internet | smtp.kelcom.net:587/starttls | pop.kelcom.net:993/implicit | password | address
  kelcom.net
KPN | smtp.kpnmail.nl:465/implicit | imap.kpnmail.nl:993/implicit | password | address
  kpnmail.nl kpnplanet.nl planet.nl wxs.nl hetnet.nl freeler.nl snelnet.net on.nl onsbrabantnet.nl onsmail.nl
  onsnet.nu onsneteindhoven.nl onsnetnuenen.nl xs4all.nl telfort.nl tip.nl tiscali.nl tiscalimail.nl
La Poste | smtp.laposte.net:465/implicit | imap.laposte.net:993/implicit | password | local
  laposte.net
Libero Mail | smtp.libero.it:465/implicit | imapmail.libero.it:993/implicit | password | address
  libero.it iol.it blu.it inwind.it giallo.it
mail.com | smtp.mail.com:465/implicit | imap.mail.com:993/implicit | password | address
  mail.com mail.org email.com post.com usa.com accountant.com consultant.com dr.com engineer.com cheerful.com
  techie.com linuxmail.org europe.com london.com uymail.com myself.com iname.com writeme.com 2die4.com
  activist.com adexec.com africamail.com aircraftmail.com alabama.usa.com alaska.usa.com allergist.com
  alumni.com alumnidirector.com americamail.com amorous.com angelic.com archaeologist.com arizona.usa.com
  artlover.com asia-mail.com atheist.com australiamail.com bartender.net berlin.com bigger.com
Yousee Mail | asmtp.mail.dk:587/starttls | imap.mail.dk:993/implicit | password | address
  mail.dk
mail.ru | smtp.mail.ru:465/implicit | imap.mail.ru:993/implicit | password | address
  mail.ru inbox.ru list.ru bk.ru corp.mail.ru
iCloud | smtp.mail.me.com:587/starttls | imap.mail.me.com:993/implicit | password | address
  mac.com me.com icloud.com
Fastmail | smtp.fastmail.com:465/implicit | imap.fastmail.com:993/implicit | oauth2+password | address
  messagingengine.com
mopera U | mail.mopera.net:465/implicit | mail.mopera.net:993/implicit | password | local
  mopera.net
Naver | smtp.naver.com:465/implicit | imap.naver.com:993/implicit | password | address
  naver.com
Nili | email.nili.email:465/implicit | email.nili.email:993/implicit | password | address
  nili.ca
NTL World: Virgin Media Mail | smtp.ntlworld.com:465/implicit | imap.ntlworld.com:993/implicit | password | address
  ntlworld.com
o2 Poczta | poczta.o2.pl:465/implicit | poczta.o2.pl:993/implicit | password | local
  o2.pl go2.pl tlen.pl prokonto.pl
Microsoft 365 | smtp.office365.com:587/starttls | outlook.office365.com:993/implicit | oauth2 | address
  onmicrosoft.com
one.com | send.one.com:465/implicit | imap.one.com:993/implicit | password | address
  one.com
Registrator.cz | smtp.registrator.cz:587/starttls | imap.registrator.cz:993/implicit | password | address
  one.cz
Onet Poczta | smtp.poczta.onet.pl:465/implicit | imap.poczta.onet.pl:993/implicit | password | address
  onet.pl onet.eu poczta.onet.pl poczta.onet.eu op.pl vp.pl autograf.pl buziaczek.pl amorki.pl republika.pl
  adres.pl cyberia.pl onet.com.pl opoczta.pl pseudonim.pl spoko.pl vip.onet.pl
Orange | smtp.orange.fr:465/implicit | imap.orange.fr:993/implicit | password | address
  orange.fr wanadoo.fr
OVH | ssl0.ovh.net:465/implicit | ssl0.ovh.net:993/implicit | password | address
  ovh.net
OX Cloud EU | smtp.eu.appsuite.cloud:587/starttls | imap.eu.appsuite.cloud:993/implicit | password | address
  cloudeu.xion.oxcs.net
OX Cloud US | smtp.us.appsuite.cloud:587/starttls | imap.us.appsuite.cloud:993/implicit | password | address
  cloudus.xion.oxcs.net
PeoplePC | smtpauth.peoplepc.com:587/starttls | - | password | address
  peoplepc.com
Pobox | smtp.pobox.com:465/implicit | mail.pobox.com:993/implicit | password | address
  pobox.com
Poste Italiane PosteCert | mail.postecert.it:465/implicit | mail.postecert.it:993/implicit | password | address
  postecert.it
Posteo | posteo.de:465/implicit | posteo.de:993/implicit | password | address
  posteo.de posteo.at posteo.be posteo.ca posteo.ch posteo.cl posteo.co posteo.co.uk posteo.com posteo.com.br
  posteo.cr posteo.cz posteo.dk posteo.ee posteo.es posteo.eu posteo.fi posteo.gl posteo.gr posteo.hn posteo.hr
  posteo.hu posteo.ie posteo.in posteo.is posteo.it posteo.jp posteo.la posteo.li posteo.lt posteo.lu posteo.me
  posteo.mx posteo.my posteo.net posteo.nl posteo.no posteo.nz posteo.org posteo.pe
PenTeleData | promail.ptd.net:465/implicit | promail.ptd.net:993/implicit | password | local
  ptd.net
Q.com | smtp.q.com:587/starttls | mail.q.com:993/implicit | password | address
  q.com
qq.com | smtp.qq.com:465/implicit | imap.qq.com:993/implicit | password | address
  qq.com
Rambler Mail | smtp.rambler.ru:465/implicit | imap.rambler.ru:993/implicit | password | address
  rambler.ru
Rediffmail | smtp.rediffmail.com:586/implicit | - | password | address
  rediffmail.com
RoadRunner/TWC | mail.twc.com:587/starttls | mail.twc.com:993/implicit | password | address
  rr.com
Runestone Telecom Association | mail.runestone.net:587/starttls | - | password | local
  runestone.net
SAPO Mail | smtp.sapo.pt:465/implicit | imap.sapo.pt:993/implicit | password | address
  sapo.pt sapo.cv sapo.ao sapo.mz sapo.tl meo.pt
Stadtwerke Schwaz | mail.schwaz.net:465/implicit | imap.schwaz.net:993/implicit | password | address
  schwaz.net
Seznam | smtp.seznam.cz:465/implicit | imap.seznam.cz:993/implicit | password | address
  seznam.cz email.cz post.cz spoluzaci.cz
SFR / Neuf | smtp.sfr.fr:465/implicit | imap.sfr.fr:993/implicit | password | address
  sfr.fr neuf.fr club-internet.fr
Sky Mail | smtp.tools.sky.com:465/implicit | imap.tools.sky.com:993/implicit | password | address
  sky.com
Proximus | relay.proximus.be:587/starttls | imap.proximus.be:993/implicit | password | address
  skynet.be proximus.be belgacom.net kidcity.be
Strato | smtp.strato.de:465/implicit | imap.strato.de:993/implicit | password | address
  strato.de rzone.de
t-online | securesmtp.t-online.de:465/implicit | secureimap.t-online.de:993/implicit | password | address
  t-online.de magenta.de
Český hosting | smtp.cesky-hosting.cz:465/implicit | mail.cesky-hosting.cz:993/implicit | password | address
  thinline.cz
Tim Mail | smtp.tim.it:587/starttls | imap.tim.it:143/starttls | password | address
  tim.it
Tiscali Mail | smtp.tiscali.it:465/implicit | imap.tiscali.it:993/implicit | password | address
  tiscali.it
UOL | smtps.uol.com.br:587/starttls | imap.uol.com.br:993/implicit | password | local
  uol.com.br
Virgilio Mail | out.virgilio.it:465/implicit | in.virgilio.it:993/implicit | password | address
  virgilio.it
Virgin.net: Virgin Media Mail | smtp.virgin.net:465/implicit | imap4.virgin.net:993/implicit | password | address
  virgin.net
Virgin Media Mail | smtp.virginmedia.com:465/implicit | imap.virginmedia.com:993/implicit | password | address
  virginmedia.com
Vodafone | smtp.vodafonemail.de:465/implicit | imap.vodafonemail.de:993/implicit | password | address
  vodafonemail.de arcor.de kabelmail.de
WEB.DE Freemail | smtp.web.de:465/implicit | imap.web.de:993/implicit | password | local
  web.de
Webhuset | smtp.webhuset.no:465/implicit | imap.webhuset.no:993/implicit | password | address
  webhuset.no
WebSupport | smtp.websupport.sk:465/implicit | imap.websupport.sk:993/implicit | password | address
  websupport.sk
Your WildWest domain | smtpout.secureserver.net:465/implicit | imap.secureserver.net:993/implicit | password | address
  secureserver.net
Poczta Wirtualna Polska | smtp.wp.pl:465/implicit | imap.wp.pl:993/implicit | password | local
  wp.pl
Xtra Mail | send.xtra.co.nz:465/implicit | imap.xtra.co.nz:993/implicit | password | address
  xtra.co.nz
Yahoo! Mail | smtp.mail.yahoo.com:465/implicit | imap.mail.yahoo.com:993/implicit | oauth2+password | address
  yahoo.com yahoo.ca yahoo.de yahoo.it yahoo.fr yahoo.es yahoo.se yahoo.co.in yahoo.co.uk yahoo.co.nz
  yahoo.com.au yahoo.com.ar yahoo.com.br yahoo.com.mx ymail.com myyahoo.com rocketmail.com cox.net
  mail.am0.yahoodns.net am0.yahoodns.net yahoodns.net
Yandex Mail | smtp.yandex.com:465/implicit | imap.yandex.com:993/implicit | password | address
  yandex.ru yandex.com yandex.net yandex.by yandex.kz yandex.ua ya.ru narod.ru
yeah.net | smtp.yeah.net:465/implicit | imap.yeah.net:993/implicit | password | address
  yeah.net
ZeelandNet e-mail | mail.zeelandnet.nl:465/implicit | mail.zeelandnet.nl:993/implicit | password | local
  zeelandnet.nl
Ziggo | smtp.ziggo.nl:587/starttls | imap.ziggo.nl:993/implicit | password | address
  hahah.nl ziggomail.com casema.nl zinders.nl ziggo.nl zeggis.nl zeggis.com razcall.nl razcall.com upcmail.nl
  chello.nl multiweb.nl home.nl quicknet.nl
Zoho Mail - Australia | smtp.zoho.com.au:465/implicit | imap.zoho.com.au:993/implicit | password | address
  zoho.com.au zohomail.com.au
Zoho Mail - US | smtp.zoho.com:465/implicit | imap.zoho.com:993/implicit | password | address
  zoho.com zohomail.com
Zoho Mail - Europe | smtp.zoho.eu:465/implicit | imap.zoho.eu:993/implicit | password | address
  zoho.eu zohomail.eu
Zoho Mail - India | smtp.zoho.in:465/implicit | imap.zoho.in:993/implicit | password | address
  zoho.in zohomail.in
Zoho Mail - Canada | smtp.zohocloud.ca:465/implicit | imap.zohocloud.ca:993/implicit | password | address
  zohocloud.ca zohomailcloud.ca
"""

# Hosts in MX records that say whose customer a domain is: the end of the host's name, and the provider.
MX_SUFFIXES = {
    "google.com": "Google",
    "googlemail.com": "Google",
    "mail.protection.outlook.com": "Microsoft 365",
    "mx.microsoft": "Microsoft 365",
    "mail.icloud.com": "iCloud",
    "messagingengine.com": "Fastmail",
    "one.com": "one.com",
    "mail.ovh.net": "OVH",
    "gandi.net": "Gandi Mail",
    "your-server.de": "Hetzner",
    "emailsrvr.com": "Rackspace Email Hosting",
    "rzone.de": "Strato",
    "kundenserver.de": "IONOS",
    "zoho.eu": "Zoho Mail - Europe",
    "zoho.com": "Zoho Mail - US",
    "pobox.com": "Pobox",
}
