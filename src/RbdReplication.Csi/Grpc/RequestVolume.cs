using System.Globalization;
using Google.Protobuf.Collections;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;
using RbdReplication.Csi.Protocol.Groups;

namespace RbdReplication.Csi.Grpc;

/// <summary>Takes volume and credentials out of the requests.</summary>
internal static class RequestVolume
{
    /// <summary>
    /// The handle of the volume or volume group that a request names, as it was sent, or the name of a group that is to be made; null for requests
    /// that are for neither.
    /// </summary>
    public static string? HandleOf(object request)
    {
        // The deprecated field is what sidecars up to v0.8.0 send.
#pragma warning disable CS0612
        var (source, old) = request switch
        {
            EnableVolumeReplicationRequest r => (r.ReplicationSource, r.VolumeId),
            DisableVolumeReplicationRequest r => (r.ReplicationSource, r.VolumeId),
            PromoteVolumeRequest r => (r.ReplicationSource, r.VolumeId),
            DemoteVolumeRequest r => (r.ReplicationSource, r.VolumeId),
            ResyncVolumeRequest r => (r.ReplicationSource, r.VolumeId),
            GetVolumeReplicationInfoRequest r => (r.ReplicationSource, r.VolumeId),
            GetReplicationDestinationInfoRequest r => (r.ReplicationSource, ""),
            ControllerReclaimSpaceRequest r => (null, r.VolumeId),
            CreateVolumeGroupRequest r => (null, r.Name),
            ModifyVolumeGroupMembershipRequest r => (null, r.VolumeGroupId),
            DeleteVolumeGroupRequest r => (null, r.VolumeGroupId),
            ControllerGetVolumeGroupRequest r => (null, r.VolumeGroupId),
            ListVolumeGroupsRequest => (null, ""),
            _ => (null, null),
        };
#pragma warning restore CS0612
        return source?.TypeCase switch
        {
            ReplicationSource.TypeOneofCase.Volume => source.Volume.VolumeId,
            ReplicationSource.TypeOneofCase.Volumegroup => source.Volumegroup.VolumeGroupId,
            _ => old,
        };
    }

    /// <summary>Validates volume and credentials, in that order and before anything is touched.</summary>
    /// <exception cref="ReplicationException">InvalidArgument, AccessDenied or Unimplemented.</exception>
    public static VolumeRequest Read(object request, ReplicationSource? source, MapField<string, string> secrets)
    {
        if (source?.TypeCase == ReplicationSource.TypeOneofCase.Volumegroup)
        {
            throw string.IsNullOrEmpty(source.Volumegroup.VolumeGroupId)
                ? EmptyGroup()
                : new ReplicationException(ReplicationError.Unimplemented, "replication of volume groups is not served; start the server with --volume-groups, or replicate the volumes one by one");
        }
        var text = HandleOf(request);
        var field = request is ControllerReclaimSpaceRequest ? "volume_id" : "replication_source.volume.volume_id";
        if (string.IsNullOrEmpty(text))
            throw new ReplicationException(ReplicationError.InvalidArgument, $"the request names no volume: {field} is empty");
        if (!VolumeHandle.TryParse(text, out var handle, out var problem))
            throw new ReplicationException(ReplicationError.InvalidArgument, $"\"{Printable(text)}\" is not a volume handle of ceph-csi: {problem}");
        return Read(handle, "volume", secrets);
    }

    /// <summary>Validates the handle of a volume group and credentials, in that order and before anything is touched.</summary>
    /// <exception cref="ReplicationException">InvalidArgument or AccessDenied.</exception>
    public static VolumeRequest ReadGroup(string text, MapField<string, string> secrets)
    {
        if (text.Length == 0)
            throw EmptyGroup();
        if (!VolumeHandle.TryParse(text, out var handle, out var problem))
            throw new ReplicationException(ReplicationError.InvalidArgument, $"\"{Printable(text)}\" is not a volume group handle of ceph-csi: {problem}");
        return Read(handle, "volume group", secrets);
    }

    private static VolumeRequest Read(VolumeHandle handle, string what, MapField<string, string> secrets)
    {
        try
        {
            return new VolumeRequest(handle, CephCredentials.FromSecrets(secrets));
        }
        catch (ReplicationException e)
        {
            throw new ReplicationException(e.Error, $"{what} {handle}: {e.Message}", e);
        }
    }

    private static ReplicationException EmptyGroup() => new(ReplicationError.InvalidArgument, "the request's volume group id is empty");

    /// <summary>Text from outside, fit for a log line or a message: short, and without what changes how a terminal shows it.</summary>
    public static string Printable(string text, int maximumLength = VolumeHandle.MaximumBytes)
    {
        var start = text.Length <= maximumLength ? text : text[..maximumLength] + "…";
        return start.AsSpan().ContainsAnyExceptInRange(' ', '~')
            ? string.Create(start.Length, start, static (target, value) =>
            {
                for (var i = 0; i < target.Length; i++)
                    target[i] = Shown(value[i]);
            })
            : start;
    }

    private static char Shown(char character) => character is '\n' or '\r' or '\t'
        ? ' '
        : char.GetUnicodeCategory(character) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate
            or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            ? '?'
            : character;
}
