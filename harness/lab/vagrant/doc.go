// Package vagrant creates an inventory of the virtual machines of a Vagrantfile. It does not start or stop them:
// that is what `vagrant up` and `vagrant destroy` are for.
//
// Vagrant reports how to log in to a machine. This package determines two more things. The peer address, by which
// machines reach one another, is read from the machines themselves: it is on the network that all of them share and
// that is not the route to the outside for any of them. The host key is trusted on first use: a machine that has
// just been created on this computer is reached without leaving it, and its key is then kept in
// .vagrant/elenchus_host_keys beside the machine's identity. The same machine with another key is refused; a
// machine that was created anew has a new identity and is trusted once more.
package vagrant
