/** Contestants without types of their own; what is used of them is declared where it is used. */
declare module "bittorrent-dht";
declare module "k-bucket";
