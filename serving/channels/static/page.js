// The page works without a script of its own; `base.html` names this file for all sites.
