"""The collection's pages and pictures: parse, call one service, answer."""
