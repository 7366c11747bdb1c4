using System.Runtime.InteropServices;

namespace RbdReplication.Ceph.Interop;

// C structures of librbd.h. Sequential layout gives the offsets that were checked against the headers of 16.2 and 20.2
// on x86-64; the binding's tests compare the sizes.

[StructLayout(LayoutKind.Sequential)]
internal struct TimespecLayout
{
    public long Seconds;
    public long Nanoseconds;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MirrorImageInfoLayout
{
    public byte* GlobalId;
    public int State;
    public byte Primary;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MirrorSiteStatusLayout
{
    public byte* MirrorUuid;
    public int State;
    public byte* Description;
    public long LastUpdate;
    public byte Up;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MirrorGlobalStatusLayout
{
    public byte* Name;
    public MirrorImageInfoLayout Info;
    public uint SiteStatusesCount;
    public MirrorSiteStatusLayout* SiteStatuses;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MirrorPeerSiteLayout
{
    public byte* Uuid;
    public int Direction;
    public byte* SiteName;
    public byte* MirrorUuid;
    public byte* ClientName;
    public long LastSeen;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SnapMirrorNamespaceLayout
{
    public int State;
    public nuint MirrorPeerUuidsCount;
    public byte* MirrorPeerUuids;
    public byte Complete;
    public byte* PrimaryMirrorUuid;
    public ulong PrimarySnapId;
    public ulong LastCopiedObjectNumber;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SnapInfoLayout
{
    public ulong Id;
    public ulong Size;
    public byte* Name;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LinkedImageSpecLayout
{
    public long PoolId;
    public byte* PoolName;
    public byte* PoolNamespace;
    public byte* ImageId;
    public byte* ImageName;
    public byte Trash;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SnapSpecLayout
{
    public ulong Id;
    public int NamespaceType;
    public byte* Name;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ImageWatcherLayout
{
    public byte* Address;
    public long Id;
    public ulong Cookie;
}

// The deprecated fields at its end are left out of the names, not of the size.
[StructLayout(LayoutKind.Sequential, Size = 160)]
internal struct ImageInfoLayout
{
    public ulong SizeBytes;
    public ulong ObjectBytes;
    public ulong Objects;
    public int Order;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct GroupInfoLayout
{
    public byte* Name;
    public long PoolId;
}
