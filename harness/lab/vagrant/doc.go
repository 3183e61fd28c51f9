// Package vagrant makes an inventory of the virtual machines of a Vagrantfile. It starts and stops none: that is what
// `vagrant up` and `vagrant destroy` are for.
//
// Vagrant tells how to log in to a machine. Two things it does not tell are found out here. The peer address, by which
// machines reach one another, is read from the machines themselves: it is on the network which all of them share and
// through which none reaches the outside. The host key is trusted on first use: a machine that was created a moment
// ago, on this computer, is reached without leaving it, and its key is then kept in .vagrant/elenchus_host_keys beside
// the identity of the machine. The same machine with another key is refused; a machine that was created anew has a new
// identity and is trusted once more.
package vagrant
