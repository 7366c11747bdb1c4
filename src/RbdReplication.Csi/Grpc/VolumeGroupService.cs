using Grpc.Core;
using RbdReplication.Core;
using RbdReplication.Csi.Hosting;
using RbdReplication.Csi.Protocol;
using RbdReplication.Csi.Protocol.Groups;
using Controller = RbdReplication.Csi.Protocol.Groups.Controller;
using Groups = RbdReplication.Core.VolumeGroups;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;
using Types = RbdReplication.Csi.Protocol.Capability.Types.VolumeGroup.Types;
using Volume = RbdReplication.Csi.Protocol.Volume;
using VolumeGroup = RbdReplication.Csi.Protocol.Groups.VolumeGroup;

namespace RbdReplication.Csi.Grpc;

/// <summary><c>volumegroup.Controller</c>: reads the requests and writes the answers; what happens in between is in <see cref="Groups"/>.</summary>
internal sealed class VolumeGroupService(Groups groups, ReplicationOptions options) : Controller.ControllerBase, IRpcService
{
    private const int MaximumNameLength = 253;

    public static ServiceDescriptor Descriptor => Controller.Descriptor;

    // In the order in which ceph-csi tells them, and one that it does not have.
    public static IReadOnlyList<Capability> Capabilities { get; } =
    [
        .. new[]
        {
            Types.Type.VolumeGroup, Types.Type.DoNotAllowVgToDeleteVolumes, Types.Type.LimitVolumeToOneVolumeGroup, Types.Type.ModifyVolumeGroup,
            Types.Type.GetVolumeGroup, Types.Type.ListVolumeGroups,
        }.Select(type => new Capability { VolumeGroup = new() { Type = type } }),
    ];

    public static void AddParts(IServiceCollection services)
    {
        services.AddSingleton<GroupResolver>();
        services.AddSingleton<GroupOperations>();
        services.AddSingleton<MembershipChange>();
        services.AddSingleton<GroupListing>();
        services.AddSingleton<Groups>();
        services.AddSingleton<GroupReplication>();
        services.AddSingleton<GenerationLog>();
        services.AddSingleton(provider =>
        {
            var log = provider.GetRequiredService<GenerationLog>();
            var schedule = new GenerationSchedule(
                provider.GetRequiredService<GroupResolver>(), provider.GetRequiredService<GroupOperations>(), log.Report, provider.GetRequiredService<TimeProvider>());
            log.Show(() => schedule.Groups);
            return schedule;
        });
    }

    public override async Task<CreateVolumeGroupResponse> CreateVolumeGroup(CreateVolumeGroupRequest request, ServerCallContext context)
    {
        if (request.Name.Length is 0 or > MaximumNameLength || request.Name.Any(char.IsControl))
            throw new ReplicationException(ReplicationError.InvalidArgument, $"the request's name is empty, longer than {MaximumNameLength} characters, or holds control characters; it is the name of the VolumeGroupReplicationContent");
        var parameters = GroupParameters.Parse(request.Parameters);
        if (request.VolumeIds.Count == 0)
            throw new ReplicationException(ReplicationError.InvalidArgument, $"volume group {request.Name} is to be made of no volumes: volume_ids is empty; label the claims that the VolumeGroupReplication selects");
        var members = ReadMembers(request.VolumeIds, ReplicationError.InvalidArgument);
        var credentials = CephCredentials.FromSecrets(request.Secrets);
        using var deadline = CallDeadline.Of(context, options);
        var group = Answer(await groups.CreateAsync(request.Name, parameters, members, credentials, deadline.Token));
        // The controller keeps it as volumeGroupAttributes, from which the omap generator of the other site learns the place.
        foreach (var key in GroupParameters.PlaceKeys)
        {
            if (request.Parameters.TryGetValue(key, out var value))
                group.VolumeGroupContext[key] = value;
        }
        return new CreateVolumeGroupResponse { VolumeGroup = group };
    }

    public override async Task<ModifyVolumeGroupMembershipResponse> ModifyVolumeGroupMembership(ModifyVolumeGroupMembershipRequest request, ServerCallContext context)
    {
        var group = RequestVolume.ReadGroup(request.VolumeGroupId, request.Secrets);
        var members = ReadMembers(request.VolumeIds, ReplicationError.TooMany);
        var flatten = GroupParameters.ParseFlatten(request.Parameters);
        using var deadline = CallDeadline.Of(context, options);
        return new ModifyVolumeGroupMembershipResponse { VolumeGroup = Answer(await groups.ModifyAsync(group, members, flatten, deadline.Token)) };
    }

    public override async Task<DeleteVolumeGroupResponse> DeleteVolumeGroup(DeleteVolumeGroupRequest request, ServerCallContext context)
    {
        var group = RequestVolume.ReadGroup(request.VolumeGroupId, request.Secrets);
        using var deadline = CallDeadline.Of(context, options);
        await groups.DeleteAsync(group, deadline.Token);
        return new DeleteVolumeGroupResponse();
    }

    public override async Task<ListVolumeGroupsResponse> ListVolumeGroups(ListVolumeGroupsRequest request, ServerCallContext context)
    {
        if (request.MaxEntries < 0)
            throw new ReplicationException(ReplicationError.InvalidArgument, $"max_entries is {request.MaxEntries}, and must be 0 or more");
        // ABORTED is what the specification has for it: begin again.
        if (request.StartingToken.Length > 0 && !VolumeHandle.TryParse(request.StartingToken, out _, out _))
            throw new ReplicationException(ReplicationError.Busy, "starting_token is not the next_token of an earlier page; list again from the beginning");
        var credentials = CephCredentials.FromSecrets(request.Secrets);
        using var deadline = CallDeadline.Of(context, options);
        var page = await groups.ListAsync(request.MaxEntries, request.StartingToken, credentials, deadline.Token);
        return new ListVolumeGroupsResponse
        {
            Entries = { page.Groups.Select(group => new ListVolumeGroupsResponse.Types.Entry { VolumeGroup = Answer(group) }) },
            NextToken = page.Next,
        };
    }

    public override async Task<ControllerGetVolumeGroupResponse> ControllerGetVolumeGroup(ControllerGetVolumeGroupRequest request, ServerCallContext context)
    {
        var group = RequestVolume.ReadGroup(request.VolumeGroupId, request.Secrets);
        using var deadline = CallDeadline.Of(context, options);
        return new ControllerGetVolumeGroupResponse { VolumeGroup = Answer(await groups.GetAsync(group, deadline.Token)) };
    }

    // The specification has another code for too many of them where a group is made.
    private static IReadOnlyList<GroupMember> ReadMembers(IReadOnlyCollection<string> volumeIds, ReplicationError ifTooMany)
    {
        try
        {
            return GroupMember.ParseList(volumeIds);
        }
        catch (ReplicationException e) when (e.Error == ReplicationError.TooMany)
        {
            throw new ReplicationException(ifTooMany, e.Message, e);
        }
    }

    private static VolumeGroup Answer(GroupDescription group) => new()
    {
        VolumeGroupId = group.Handle.ToString(),
        Volumes = { group.VolumeIds.Select(id => new Volume { VolumeId = id }) },
    };
}
