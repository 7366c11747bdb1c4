using System.Globalization;
using Google.Protobuf.Collections;
using RbdReplication.Core;
using RbdReplication.Csi.Protocol;

namespace RbdReplication.Csi.Grpc;

/// <summary>Takes volume and credentials out of the requests.</summary>
internal static class RequestVolume
{
    /// <summary>The volume handle a request names, as it was sent; null for requests without one.</summary>
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
                ? new ReplicationException(ReplicationError.InvalidArgument, "the request's volume group id is empty")
                : new ReplicationException(ReplicationError.Unimplemented, "replication of volume groups is not implemented; replicate the volumes one by one");
        }
        var text = HandleOf(request);
        if (string.IsNullOrEmpty(text))
            throw new ReplicationException(ReplicationError.InvalidArgument, "the request names no volume: replication_source.volume.volume_id is empty");
        if (!VolumeHandle.TryParse(text, out var handle, out var problem))
            throw new ReplicationException(ReplicationError.InvalidArgument, $"\"{Printable(text)}\" is not a volume handle of ceph-csi: {problem}");
        try
        {
            return new VolumeRequest(handle, CephCredentials.FromSecrets(secrets));
        }
        catch (ReplicationException e)
        {
            throw new ReplicationException(e.Error, $"volume {handle}: {e.Message}", e);
        }
    }

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
