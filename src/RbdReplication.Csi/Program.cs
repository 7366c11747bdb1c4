using RbdReplication.Ceph;
using RbdReplication.Csi.Cli;

CephLibraries.ShareMemory();
return await CommandLine.RunAsync(args);
